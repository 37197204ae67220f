"""Optuna's search: it finds what is planted, repeats itself, and goes on where it was cut off."""

from __future__ import annotations

from pathlib import Path

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution

from training.errors import SettingsError
from training.fitting.losses import DivergedError
from training.metrics.names import Metric
from training.search import Values, best_of, search, stored

SPACE = {"x": FloatDistribution(0.1, 100, log=True), "kind": CategoricalDistribution(("good", "bad"))}
FIRST = {"x": 50.0, "kind": "bad"}


def distance(values: Values) -> float:
    """Least for a good one near 3."""
    return abs(values["x"] - 3) + (values["kind"] == "bad")


@pytest.mark.parametrize(("metric", "sign"), [(Metric.RMSE, 1), (Metric.AUC, -1)])
def test_the_planted_optimum_is_found_whichever_way_is_better(metric: Metric, sign: int) -> None:
    trials = search(SPACE, FIRST, lambda values: sign * distance(values), metric, 30)
    assert trials[0].params == FIRST
    best = trials[best_of(trials, metric)]
    assert best.params["kind"] == "good"
    assert 2 < best.params["x"] < 4


def test_a_search_that_was_killed_makes_the_same_trials_as_one_that_was_not(tmp_path: Path) -> None:
    measured: list[Values] = []

    def killed(values: Values) -> float:
        if len(measured) == 12:  # beyond the first ten trials, which are random
            raise KeyboardInterrupt
        measured.append(values)
        return distance(values)

    whole = [trial.params for trial in search(SPACE, FIRST, distance, Metric.RMSE, 15)]
    with pytest.raises(KeyboardInterrupt):
        search(SPACE, FIRST, killed, Metric.RMSE, 15, storage=stored(tmp_path / "a/trials.log"))
    resumed = search(SPACE, FIRST, distance, Metric.RMSE, 15, storage=stored(tmp_path / "a/trials.log"))
    assert [trial.params for trial in resumed] == whole
    assert measured == whole[:12]


def test_what_is_stored_is_not_measured_again(tmp_path: Path) -> None:
    def never(_: Values) -> float:
        raise AssertionError

    def again(n_trials: int, measured, name: str = "study"):
        storage = stored(tmp_path / "trials.log")
        return search(SPACE, FIRST, measured, Metric.RMSE, n_trials, storage=storage, name=name)

    longer = again(4, distance)
    assert [trial.params for trial in again(2, never)] == [trial.params for trial in longer[:2]]
    with pytest.raises(AssertionError):
        again(5, never)
    with pytest.raises(AssertionError):
        again(2, never, name="another log's")


def test_a_trial_that_diverges_has_no_value_and_the_search_goes_on() -> None:
    def diverges(values: Values) -> float:
        if values["kind"] == "bad":
            raise DivergedError("the loss is inf")
        return distance(values)

    trials = search(SPACE, FIRST, diverges, Metric.RMSE, 8)
    assert trials[0].value is None
    assert trials[best_of(trials, Metric.RMSE)].params["kind"] == "good"
    assert len(trials) == 8
    with pytest.raises(SettingsError, match="not finite in any trial"):
        search(SPACE, FIRST, diverges, Metric.RMSE, 1)
