"""A new fit beside the running version: what has grown passes, what does harm is refused, noise is called noise."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serving.gate import Check, Tolerance, compare_metrics
from tests.training.comparison.growth import grown, then
from training.comparison.compare import split_of_new, summary
from training.comparison.running import Running, opened
from training.data import RatingsLog, generate
from training.estimators import ESTIMATORS, MF
from training.train import Run, train


def trained(log: RatingsLog, archive: Path, folder: Path, **settings: Any) -> dict[str, Any]:
    """The metrics of a model trained beside a running one."""
    model = ESTIMATORS[archive.name.split("-")[0]]
    estimator = model(**({"sweeps": 40, "burn_in": 10, "epochs": 3} | settings))
    with opened(archive) as running:
        metrics = train(Run(estimator, "random", False, folder / "build", folder / "runs", running), log)
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
    return list(compare_metrics(old, {"metrics": metrics}, Tolerance()))


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
    assert summary(metrics["comparison"]) == "150 rows are new since version 1.0: too few to measure both on"


@pytest.mark.slow
def test_a_log_of_likes_is_compared_too(whole: RatingsLog, deepfm: Path, tmp_path: Path) -> None:
    log = grown(whole, 0)
    likes = dataclasses.replace(log, ratings=log.ratings[["user_id", "movie_id"]])
    found = trained(likes, deepfm, tmp_path)["comparison"]
    assert found["changed_ratings"] is None
    assert {"auc", "ndcg@10"} <= found["known_users"].keys()
    assert found["known_users"]["rows"] + found["new_users"]["rows"] == found["rows"]


def test_rows_that_another_split_holds_out_are_not_compared(whole: RatingsLog, mf: Path, tmp_path: Path) -> None:
    """Leave-one-out holds out old rows too, which the running version has learnt and the new one has not."""
    estimator = MF(sweeps=2, burn_in=1)
    with opened(mf) as running:
        run = Run(estimator, "leave-one-out", False, tmp_path / "build", tmp_path / "runs", running)
        metrics = train(run, grown(whole, 0))
    assert metrics["comparison"]["new_rows"] > 1000
    assert metrics["comparison"]["rows"] == 0


def test_by_its_answers_the_new_one_is_what_training_measures(grown_well: dict[str, Any]) -> None:
    test = grown_well["test"]
    groups = [grown_well["comparison"][name] for name in ("known_users", "new_users")]
    squares = [group["rmse"]["new"] ** 2 for group in groups]
    assert np.average(squares, weights=[group["rows"] for group in groups]) ** 0.5 == pytest.approx(test["rmse"])
    for name in ("ndcg@10", "recall@20"):
        values = [group[name]["new"] for group in groups]
        assert np.average(values, weights=[group["users"] for group in groups]) == pytest.approx(test[name])


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
