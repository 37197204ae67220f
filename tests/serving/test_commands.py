"""The command line on a running server."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import requests

from serving.__main__ import main
from serving.management import Management
from serving.record import Record
from serving.server import ROOT, Server
from tests.conftest import Planted, server_on_free_ports


def where(server: Server) -> list[str]:
    return [
        "--config",
        str(server.home / "config.properties"),
        "--store",
        str(server.store),
        "--home",
        str(server.home),
    ]


def test_status_shows_what_is_served_and_where_the_disk_differs(fm: Server, capsys: pytest.CaptureFixture[str]) -> None:
    main(["status", *where(fm)])
    shown = capsys.readouterr().out
    assert "1 of 1 ready" in shown
    assert "answers since the start" in shown
    assert "after a restart" not in shown
    (fm.store / "fm.mar").write_bytes((fm.store / "fm-1.1.mar").read_bytes())
    main(["status", *where(fm)])
    assert "fm 1.0 answers, and 1.1 would after a restart" in capsys.readouterr().out.replace("\n", " ")
    (fm.store / "fm.mar").write_bytes((fm.store / "fm-1.0.mar").read_bytes())


def test_what_the_user_can_mend_is_one_line(fm: Server) -> None:
    with pytest.raises(SystemExit, match=r"error: .*fm-9\.9\.mar does not exist: make archive MODEL=fm VERSION=9\.9"):
        main(["rollout", "fm", "--version", "9.9", *where(fm)])
    main(["ready", *where(fm)])
    fm.draining.touch()
    with pytest.raises(SystemExit, match="not ready"):
        main(["ready", *where(fm)])
    fm.draining.unlink()


def test_a_server_in_the_foreground_drains_when_it_is_told_to_end(fm: Server, tmp_path: Path) -> None:
    other = server_on_free_ports(fm.store, tmp_path, load_models="fm=fm.mar")
    config = tmp_path / "given.properties"
    config.write_text("".join(f"{name}={value}\n" for name, value in other.settings.items()))
    run = [sys.executable, "-m", "serving", "run", "--drain", "2", "--config", str(config)]
    process = subprocess.Popen([*run, "--store", str(fm.store), "--home", str(tmp_path)], cwd=ROOT)
    deadline = time.monotonic() + 60
    while not (other.process() and other.ready()):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.2)

    codes = []
    many = {"instances": [{"user_id": 1, "k": 100}] * 1000}
    slow = threading.Thread(
        target=lambda: codes.append(
            requests.post(f"{other.inference}/predictions/fm", json=many, timeout=60).status_code
        )
    )
    slow.start()
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    late = requests.post(f"{other.inference}/predictions/fm", json={"user_id": 1, "k": 3}, timeout=30)
    assert not other.ready()
    assert process.wait(timeout=60) == 0
    slow.join()
    assert codes == [200]
    assert late.status_code == 200
    assert other.process() is None


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
        calm = ["--p99", "20", "--drain", "0"]  # of a machine that runs other tests
        command = [sys.executable, "-m", "serving", *command, *calm, *where(fm)]
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
