"""A new fit beside the running version: what has grown passes, what does harm is refused, noise is called noise."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from archives.pack import archive
from serving.gate import Check, Tolerance, checks
from tests.conftest import train_small
from training import alone, comparison
from training.alone import CannotAnswerError, ask_each
from training.comparison import described, split_of_new
from training.config import preset
from training.data import DataError, RatingsLog, generate
from training.running import Running, opened
from training.train import Run, train

USERS, THEN = 240, 150  # in all, and when the running version was trained


@pytest.fixture(scope="module")
def whole() -> RatingsLog:
    return generate(seed=5, users=USERS, movies=120, ratings=12_000).log


def of_users(log: RatingsLog, rows: np.ndarray, users: np.ndarray) -> RatingsLog:
    """Those rows of a log, and of its users those with these positions."""
    return dataclasses.replace(log.with_rows(rows), users=log.users.iloc[users].reset_index(drop=True))


def then(log: RatingsLog) -> np.ndarray:
    """The rows that the running version was fitted to: most of those of the first users."""
    early = log.ratings["user_id"].isin(log.users["user_id"].iloc[:THEN]).to_numpy()
    return early & (np.random.default_rng(0).random(len(log)) < 0.9)


def grown(log: RatingsLog, seed: int) -> RatingsLog:
    """The same rows and some 2,500 more: of 60 users who have come since, and of those who were there."""
    rng = np.random.default_rng(seed)
    users = np.concatenate([np.arange(THEN), THEN + rng.choice(USERS - THEN, 60, replace=False)])
    here = log.ratings["user_id"].isin(log.users["user_id"].iloc[users]).to_numpy()
    return of_users(log, then(log) | (here & (rng.random(len(log)) < 0.7)), users)


@pytest.fixture(scope="module")
def before(whole: RatingsLog) -> RatingsLog:
    return of_users(whole, then(whole), np.arange(THEN))


def archived(model: str, log: RatingsLog, folder: Path) -> Path:
    """Version 1.0 of a model of a log."""
    return archive(model, "1.0", train_small(model, log, folder), folder)


@pytest.fixture(scope="module")
def mf(before: RatingsLog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return archived("mf", before, tmp_path_factory.mktemp("mf"))


@pytest.fixture(scope="module")
def deepfm(before: RatingsLog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return archived("deepfm", before, tmp_path_factory.mktemp("deepfm"))


@pytest.fixture
def running(mf: Path) -> Iterator[Running]:
    with opened(mf) as one:
        yield one


def trained(log: RatingsLog, archive: Path, folder: Path, **settings: Any) -> dict[str, Any]:
    """The metrics of a model trained beside a running one."""
    model = archive.name.split("-")[0]
    chosen = dataclasses.replace(preset("quick", model), **({"sweeps": 40, "burn_in": 10, "epochs": 3} | settings))
    with opened(archive) as running:
        where = torch.device("cpu"), folder / "build", folder / "runs", running
        metrics = train(Run(model, chosen, "random", 0, False, *where), log)
    return json.loads(json.dumps(metrics))


HAS_LEARNT_NOTHING = {"prior_precision": 1e6, "sweeps": 2, "burn_in": 1}


@pytest.fixture(scope="module")
def grown_well(whole: RatingsLog, mf: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return trained(grown(whole, 0), mf, tmp_path_factory.mktemp("grown"))


@pytest.fixture(scope="module")
def grown_ill(whole: RatingsLog, mf: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return trained(grown(whole, 0), mf, tmp_path_factory.mktemp("grown"), **HAS_LEARNT_NOTHING)


def gate(metrics: dict, archive: Path) -> list[Check]:
    with opened(archive) as running:
        old = {"sha256": running.sha256, "metrics": json.loads((running.folder / "metrics.json").read_bytes())}
    return list(checks(old, {"metrics": metrics}, Tolerance()))


def refused(found: list[Check]) -> list[str]:
    return [check.name for check in found if not check.good]


def test_ordinary_growth_passes(grown_well: dict[str, Any], mf: Path) -> None:
    assert refused(gate(grown_well, mf)) == []
    found = grown_well["comparison"]
    assert grown_well["test_rows"] == "new since version 1.0"
    assert found["new_rows"] // 2 == found["rows"] == grown_well["test"]["rows"] > 1000
    assert found["changed_ratings"] == 0
    assert found["new_users"]["users"] == 60
    assert found["new_users"]["rmse"]["high"] < 0  # they were strangers to the running version


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 20))
def test_ordinary_growth_passes_whatever_came(seed: int, whole: RatingsLog, mf: Path, tmp_path: Path) -> None:
    assert refused(gate(trained(grown(whole, seed), mf, tmp_path), mf)) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_ordinary_growth_of_a_model_of_likes_passes(seed: int, whole: RatingsLog, deepfm: Path, tmp_path: Path) -> None:
    metrics = trained(grown(whole, seed), deepfm, tmp_path)
    assert refused(gate(metrics, deepfm)) == []
    assert {"auc", "log_loss", "ndcg@10", "recall@20"} <= metrics["comparison"]["known_users"].keys()


def test_a_fit_that_has_learnt_nothing_is_refused(grown_ill: dict[str, Any], mf: Path) -> None:
    # Taken together with those who came since, for whom it is no loss, the others' loss would be half as large.
    assert {"rmse, users it knows", "auc, users it knows"} <= set(refused(gate(grown_ill, mf)))


def mixed_up(log: RatingsLog, rows: np.ndarray) -> RatingsLog:
    """The same log, the ratings of some rows in another order."""
    ratings = log.ratings["rating"].to_numpy().copy()
    ratings[rows] = ratings[np.random.default_rng(0).permutation(rows)]
    return dataclasses.replace(log, ratings=log.ratings.assign(rating=ratings))


@pytest.mark.parametrize("share", [0.5, pytest.param(1.0, marks=pytest.mark.slow)], ids=["half", "all"])
def test_ratings_that_were_mixed_up_are_refused(share: float, whole: RatingsLog, mf: Path, tmp_path: Path) -> None:
    log = grown(whole, 0)
    mixed = np.flatnonzero(np.random.default_rng(1).random(len(log)) < share)
    # The rows that both are measured on are as wrong as those that one of them has learnt from.
    assert "changed ratings" in refused(gate(trained(mixed_up(log, mixed), mf, tmp_path), mf))


@pytest.mark.slow
def test_ratings_that_were_mixed_up_in_old_rows_alone_are_seen_in_the_new_ones(
    whole: RatingsLog, mf: Path, running: Running, tmp_path: Path
) -> None:
    log = grown(whole, 0)
    old = np.flatnonzero(running.places(log.ratings) >= 0)
    bad = refused(gate(trained(mixed_up(log, old), mf, tmp_path), mf))
    assert {"changed ratings", "auc, users it knows"} <= set(bad)


def test_a_log_that_has_not_grown_is_compared_by_its_own_test_rows(
    before: RatingsLog, mf: Path, tmp_path: Path
) -> None:
    same = trained(before, mf, tmp_path)
    assert (same["test_rows"], same["comparison"]["new_rows"]) == ("random", 0)
    found = {check.name: check for check in gate(same, mf)}
    assert refused(list(found.values())) == []
    assert found["rows new since"].note == "too few to measure both versions on"
    assert found["test rmse"].limit.startswith("at most")
    worse = trained(before, mf, tmp_path, **HAS_LEARNT_NOTHING)
    assert "test rmse" in refused(gate(worse, mf))


def test_a_few_new_rows_are_no_ground_for_a_refusal(whole: RatingsLog, mf: Path, tmp_path: Path) -> None:
    rows = then(whole)
    rows[np.flatnonzero(~rows)[:150]] = True
    metrics = trained(whole.with_rows(rows), mf, tmp_path, **HAS_LEARNT_NOTHING)
    assert (metrics["comparison"]["new_rows"], metrics["comparison"]["rows"]) == (150, 0)
    found = gate(metrics, mf)
    assert refused(found) == []
    assert {check.note for check in found if check.name.startswith("test ")} == {"of other rows: says nothing"}
    assert described(metrics["comparison"]) == "150 rows are new since version 1.0: too few to measure both on"


def test_a_comparison_with_another_version_than_the_one_that_runs_counts_for_nothing(grown_ill: dict[str, Any]) -> None:
    other = {"sha256": "of another version", "metrics": {"test": grown_ill["test"], "test_sha256": "of other rows"}}
    found = list(checks(other, {"metrics": grown_ill}, Tolerance()))
    assert refused(found) == []
    assert {check.note for check in found} == {"of other rows: says nothing"}


@pytest.mark.slow
def test_a_log_of_likes_is_compared_too(whole: RatingsLog, deepfm: Path, tmp_path: Path) -> None:
    log = grown(whole, 0)
    likes = dataclasses.replace(log, ratings=log.ratings[["user_id", "movie_id"]])
    found = trained(likes, deepfm, tmp_path)["comparison"]
    assert found["changed_ratings"] is None
    assert {"auc", "ndcg@10"} <= found["known_users"].keys()
    assert found["known_users"]["rows"] + found["new_users"]["rows"] == found["rows"]


@pytest.mark.slow
def test_an_archive_that_takes_few_questions_at_once_is_asked_so(running: Running) -> None:
    config = running.folder / "model-config.yaml"
    config.write_text(config.read_text().replace("max_instances: 1000", "max_instances: 3"))
    questions = [{"user_id": user, "movie_id": 103} for user in range(11, 31, 2)]
    assert [answer["user_id"] for answer in ask_each(running.folder, questions)] == list(range(11, 31, 2))
    with pytest.raises(CannotAnswerError, match=r"it answers .* by k is 0"):
        ask_each(running.folder, [{"user_id": 11, "k": 0}])


def test_what_is_too_much_at_once_is_asked_again_for_less(tmp_path: Path, monkeypatch) -> None:
    """An archive that takes three questions at once, and says of the others that it is overloaded."""
    (tmp_path / "model-config.yaml").write_text("handler: {}\n")
    sizes = []

    def overloaded(_: Path, bodies: list[dict]) -> list[dict]:
        sizes.extend(len(body["instances"]) for body in bodies)
        too_much = {"error": {"type": "Overloaded", "message": "ask this again, for less at once"}}
        return [
            {"predictions": [*body["instances"][:3], *[too_much] * (len(body["instances"]) - 3)]} for body in bodies
        ]

    monkeypatch.setattr(alone, "ask", overloaded)
    questions = [{"user_id": user} for user in range(900)]
    assert ask_each(tmp_path, questions) == questions
    assert sizes[:2] == [500, 400]
    assert min(sizes) <= 3
    monkeypatch.setattr(
        alone, "ask", lambda _, bodies: [{"predictions": [{"error": {"type": "Overloaded", "message": "no"}}]}]
    )
    with pytest.raises(CannotAnswerError, match="by no"):
        ask_each(tmp_path, questions[:1])


def test_lists_leave_out_no_more_movies_than_an_archive_takes(whole: RatingsLog, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "model-config.yaml").write_text("handler:\n  max_ids: 5\n")
    asked = []
    monkeypatch.setattr(
        comparison, "ask_each", lambda _, questions: asked.extend(questions) or [{"score": 1}] * len(questions)
    )
    rows = whole.ratings.iloc[:10]
    with pytest.raises(KeyError):  # its answers to the lists are none
        comparison.Questions(rows, whole.ratings.iloc[10:], whole, 3.0).ask(tmp_path)
    assert max(len(question["exclude"]) for question in asked if "exclude" in question) == 5


def test_rows_that_another_split_holds_out_are_not_compared(whole: RatingsLog, mf: Path, tmp_path: Path) -> None:
    """Leave-one-out holds out old rows too, which the running version has learnt and the new one has not."""
    chosen = dataclasses.replace(preset("quick", "mf"), sweeps=2, burn_in=1)
    with opened(mf) as running:
        where = torch.device("cpu"), tmp_path / "build", tmp_path / "runs", running
        metrics = train(Run("mf", chosen, "leave-one-out", 0, False, *where), grown(whole, 0))
    assert metrics["comparison"]["new_rows"] > 1000
    assert metrics["comparison"]["rows"] == 0


def test_a_running_archive_that_cannot_answer_is_named_before_anything_is_trained(running: Running) -> None:
    running.check()
    (running.folder / "mf.pt").write_bytes(b"no network")
    with pytest.raises(DataError, match=r"version 1\.0 cannot answer: .*--running"):
        running.check()


def test_by_its_answers_the_new_one_is_what_training_measures(grown_well: dict[str, Any]) -> None:
    test = grown_well["test"]
    groups = [grown_well["comparison"][name] for name in ("known_users", "new_users")]
    squares = [group["rmse"]["new"] ** 2 for group in groups]
    assert np.average(squares, weights=[group["rows"] for group in groups]) ** 0.5 == pytest.approx(test["rmse"])
    for name in ("ndcg@10", "recall@20"):
        values = [group[name]["new"] for group in groups]
        assert np.average(values, weights=[group["users"] for group in groups]) == pytest.approx(test[name])


def test_what_the_running_version_has_seen_is_known(before: RatingsLog, whole: RatingsLog, running: Running) -> None:
    assert np.array_equal(running.places(whole.ratings) >= 0, then(whole))
    assert running.changed(whole.ratings) == 0
    lower = before.ratings["rating"].to_numpy().copy()
    lower[:100] = 1 + (lower[:100] == 1)
    assert running.changed(before.ratings.assign(rating=lower)) == pytest.approx(100 / len(before))
    users = pd.Series([before.ratings["user_id"].iloc[0], 999_999])
    assert running.knows(users).tolist() == [True, False]


def test_ids_are_the_same_as_text(before: RatingsLog, running: Running) -> None:
    text = before.ratings.astype({"user_id": "str", "movie_id": "str"})
    assert np.array_equal(running.places(text), running.places(before.ratings))
    assert (running.places(text.assign(user_id="u-" + text["user_id"])) == -1).all()


@pytest.mark.parametrize("how", ["random", "time"])
def test_the_test_rows_are_half_of_the_new_ones_and_every_old_one_trains(
    how: str, whole: RatingsLog, running: Running
) -> None:
    log = grown(whole, 0)
    new = running.places(log.ratings) < 0
    parts = split_of_new(running, log, how, 0)
    assert new[parts.test].all()
    assert len(parts.test) == pytest.approx(new.sum() / 2, abs=1)
    everything = np.concatenate([parts.train, parts.validation, parts.test])
    assert np.array_equal(np.sort(everything), np.arange(len(log)))
    if how == "time":
        seconds = log.ratings["timestamp"].to_numpy()
        kept = np.setdiff1d(np.flatnonzero(new), parts.test)
        assert seconds[kept].max() <= seconds[parts.test].min()
    assert split_of_new(running, log, "leave-one-out", 0) is None


def test_of_a_log_that_is_new_as_a_whole_no_more_than_usual_is_held_out(running: Running) -> None:
    other = generate(seed=9, users=50, movies=40, ratings=900, string_ids=True).log
    parts = split_of_new(running, other, "random", 0)
    assert len(parts.test) == 180


def test_what_is_no_archive_is_refused_with_the_remedy(tmp_path: Path) -> None:
    broken = tmp_path / "mf-1.0.mar"
    broken.write_bytes(b"PK")
    for path in (broken, tmp_path / "none.mar"):
        with pytest.raises(DataError, match=rf"{path.name}: is no archive of this project .*--running"), opened(path):
            pass
