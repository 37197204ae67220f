"""The nightly command."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import requests

from archives.store import pin
from feedback.experiments import Experiment, start, stop
from feedback.store import Event, Store
from serving.__main__ import main
from serving.config import ROOT
from serving.management import Management
from serving.record import Record
from serving.retrain import Training, next_version
from serving.server import Server
from tests.conftest import Planted
from tests.serving.conftest import options_of


def grown(planted: Planted, folder: Path) -> str:
    """Files of the planted log as it is a while later, as options of training: 30 users have come, all have rated."""
    log, truth, rng = planted.log, planted.truth, np.random.default_rng(0)
    users, movies = len(log.users), len(log.movies)
    like_whom = rng.integers(0, users, 30)  # those who have come have the taste of somebody who is there
    whose = np.concatenate([np.arange(users), like_whom])
    ids = np.concatenate([log.users["user_id"], 10_000 + np.arange(30)])
    who, what = np.repeat(np.arange(len(whose)), 15), rng.integers(0, movies, 15 * len(whose))
    rating = truth.level(whose[who], what) + rng.normal(0, truth.noise, len(who))
    more = pd.DataFrame(
        {
            "user_id": ids[who],
            "movie_id": log.movies["movie_id"].to_numpy()[what],
            "rating": (np.round(rating * 2) / 2).clip(*log.scale),
            "timestamp": log.ratings["timestamp"].max() + 1,
        }
    )
    rows = pd.concat([log.ratings, more]).drop_duplicates(["user_id", "movie_id"])
    people = pd.concat([log.users, log.users.iloc[like_whom].assign(user_id=ids[users:])])
    options = []
    for name, table in {"ratings": rows, "users": people, "movies": log.movies}.items():
        table.to_csv(folder / f"{name}.csv", index=False)
        options += [f"--{name}", str(folder / f"{name}.csv")]
    return shlex.join([*options, "--runs", str(folder / "runs")])


@pytest.mark.slow
def test_retrain_puts_a_good_version_in_front_of_the_traffic_and_refuses_a_bad_one(
    fm: Server, planted: Planted, tmp_path: Path
) -> None:
    options = grown(planted, tmp_path)

    def retrain(options: str) -> subprocess.CompletedProcess[str]:
        command = ["retrain", "fm", f"--train={options}", "--build", str(tmp_path / "build")]
        calm = ["--p99", "1e6", "--drain", "0"]  # of a machine that runs other tests
        command = [sys.executable, "-m", "serving", *command, *calm, *options_of(fm)]
        wide = os.environ | {"COLUMNS": "200"}
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=wide)

    bad = retrain(f"{options} --prior-precision 1e6 --sweeps 2 --burn-in 1")
    assert bad.returncode == 1
    assert re.search(r"fm 1\.2 is refused: .*rmse, users it knows is .* a difference of \+0\.\d+ to", bad.stderr)
    assert Management(fm.management).describe("fm")["modelVersion"] == "1.0"

    good = retrain(options)
    assert good.returncode == 0, good.stdout + good.stderr
    assert "rmse, users new since" in good.stdout
    last = Record(fm.store).lines("fm")[-1]
    assert (last["version"], last["why"]) == ("1.3", "retrain")
    answer = requests.post(f"{fm.inference}/predictions/fm", json={"user_id": 10_000, "k": 3}, timeout=30)
    assert answer.headers["X-Model-Version"] == "1.3"
    assert "unknown" not in answer.json()
    for version in ("1.2", "1.3"):
        (fm.store / f"fm-{version}.mar").unlink()


@pytest.mark.slow
def test_the_next_version_knows_what_was_rated_since(fm: Server, planted: Planted, tmp_path: Path) -> None:
    movies = planted.log.movies["movie_id"].tolist()
    store, url = Store(f"sqlite:///{tmp_path}/events.db"), f"sqlite:///{tmp_path}/events.db"
    now = int(planted.log.ratings["timestamp"].max()) + 1
    somebody = 20_000
    rated = [Event(str(somebody), str(movie), "rating", 4.0, now, now, str(movie)) for movie in movies[:9]]
    store.add_events([[*rated, rated[0]._replace(rating=2.0, timestamp=now + 1, key="again")]])
    options = f"{grown(planted, tmp_path)} --events {url}"
    command = [sys.executable, "-m", "serving", "retrain", "fm", f"--train={options}", "--build"]
    command += [str(tmp_path / "build"), "--p99", "1e6", "--drain", "0", *options_of(fm)]

    def history() -> list[tuple[int, float]]:
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        asked = {"user_id": somebody, "history": True}
        entries = requests.post(f"{fm.inference}/predictions/fm", json=asked, timeout=30).json()["history"]
        return sorted((entry["movie_id"], entry["rating"]) for entry in entries)

    assert history() == sorted((movie, 2.0 if movie == movies[0] else 4.0) for movie in movies[:9])
    data = json.loads((tmp_path / "build/fm/metrics.json").read_text())["data"]
    assert data["events"] == {"count": 10, "last_id": 10}
    store.forget(str(somebody))
    store.add_events([[rated[0]._replace(user_id="20001")]])
    assert history() == []
    for version in ("1.2", "1.3"):
        (fm.store / f"fm-{version}.mar").unlink()


def test_the_next_version_counts_on(tmp_path: Path) -> None:
    assert next_version(tmp_path, "fm") == "1.0"
    for name in ("fm.mar", "fm-1.0.mar", "fm-1.9.mar", "fm-1.10.mar", "fm-try.mar", "deepfm-2.0.mar"):
        (tmp_path / name).touch()
    assert next_version(tmp_path, "fm") == "1.11"


def test_the_version_of_an_archive_that_was_deleted_is_not_used_again(store: Path, tmp_path: Path) -> None:
    assert next_version(tmp_path, "fm", registered=["1.0", "1.4"]) == "1.5"
    shutil.copyfile(store / "fm-1.0.mar", tmp_path / "fm.mar")
    assert next_version(tmp_path, "fm") == "1.1"
    pin(tmp_path, "fm-1.2.mar", "a digest")
    pin(tmp_path, "mf-1.7.mar", "a digest")
    assert next_version(tmp_path, "fm") == "1.3"


@pytest.mark.parametrize("fm_server", ["asgi"], indirect=True)
def test_an_experiment_refuses_a_retrain_before_its_training(fm: Server, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("EVENTS_URL", f"sqlite:///{tmp_path}/events.db")
    monkeypatch.setattr(Training, "make", lambda *_: pytest.fail("it was trained"))
    events = Store(f"sqlite:///{tmp_path}/events.db")
    start(events, Experiment("fm", "1.0", "0.9", 0.1, "salt", "click", 3.0, 3600, 0.1, 1))
    with pytest.raises(SystemExit, match=r"error: an experiment with fm 1\.0 \(A\) and 0\.9 \(B\) runs.*--keep"):
        main(["retrain", "fm", *options_of(fm)])
    monkeypatch.setattr(Training, "make", lambda *_: stop(events, "fm", 2))  # somebody ends it; the archive is missing
    with pytest.raises(SystemExit, match=r"error: .*fm-1\.2\.mar does not exist"):
        main(["retrain", "fm", "--keep", *options_of(fm)])
    monkeypatch.setattr(
        Training, "make", lambda *_: start(events, Experiment("fm", "1.0", "0.8", 0.1, "s", "click", 3.0, 60, 0.1, 1))
    )
    with pytest.raises(SystemExit, match=r"error: an experiment with fm 1\.0 \(A\) and 0\.8 \(B\) runs"):
        main(["retrain", "fm", *options_of(fm)])  # it has begun during the training
    events.close()
