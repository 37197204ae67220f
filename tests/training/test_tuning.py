"""The choice of settings by validation rows: what is tried, what is chosen, what is said of it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution

from tests.conftest import MODELS
from training.config import preset
from training.data import RatingsLog, generate, split
from training.errors import SettingsError
from training.estimators import ESTIMATORS, TwoEncoderEstimator
from training.interactions import encode
from training.report import write
from training.train import Run, train
from training.tuning import lists_part, scores_part, tune

SMALL = {"sweeps": 4, "burn_in": 2, "epochs": 2, "top_epochs": 1}


@pytest.fixture(scope="module")
def log() -> RatingsLog:
    return generate(seed=4, users=50, movies=40, ratings=1000).log


def rows(log: RatingsLog, estimator: TwoEncoderEstimator):
    return split(log, "random", 0).take(encode(log, estimator.uses_features))


@pytest.mark.parametrize("has_ratings", [True, False])
@pytest.mark.parametrize("name", ["quick", "best"])
@pytest.mark.parametrize("target", ["rating", "like"])
@pytest.mark.parametrize("model", MODELS)
def test_presets_lie_in_the_space_and_the_space_has_settings_alone(
    model: str, target: str, name: str, has_ratings: bool, log
) -> None:
    if not has_ratings:
        log = dataclasses.replace(log, ratings=log.ratings[["user_id", "movie_id"]])
    estimator = ESTIMATORS[model](preset(name, model, target))
    train, validation, _ = rows(log, estimator)
    for part in (scores_part(estimator, train, validation), lists_part(train, validation)):
        for setting, distribution in part.space.items():
            first = getattr(estimator.settings, setting)
            if isinstance(distribution, CategoricalDistribution):
                ends = distribution.choices
                assert first in ends
            else:
                ends = distribution.low, distribution.high
                assert distribution.low <= first <= distribution.high
            for end in ends:
                dataclasses.replace(estimator.settings, **{setting: end})  # raises SettingsError for what cannot be


@pytest.mark.parametrize(("model", "metric"), [("mf", "rmse"), ("deepfm", "auc")])
def test_a_training_goes_on_with_the_best_of_what_was_tried(model: str, metric: str, log, tmp_path: Path) -> None:
    estimator = ESTIMATORS[model](**SMALL)
    run = Run(estimator, "random", True, tmp_path / "build", tmp_path / "runs", tune=4)
    metrics = train(run, log)
    details = json.loads((tmp_path / f"build/{model}/report.json").read_text())
    scores, lists = details["tuning"]["scores"], details["tuning"]["lists"]
    assert (scores["metric"], lists["metric"]) == (metric, "ndcg@10")
    better = min if metric == "rmse" else max
    for part, best_of in ((scores, better), (lists, max)):
        assert len(part["trials"]) == 4
        best, values = part["trials"][part["best"]], [trial["value"] for trial in part["trials"]]
        assert best["value"] == best_of(values) or (part is lists and best_of(values) <= 1.03 * best["value"])
        for name, value in best["settings"].items():
            assert metrics["settings"][name] == value
    assert "prior_precision" in metrics["validation_rows"]
    assert metrics["settings"]["sweeps"] == SMALL["sweeps"]
    written = json.loads((tmp_path / f"build/{model}/metrics.json").read_text())
    assert written["tuning"]["scores"] == {
        "metric": metric,
        "trials": 4,
        "with_given_settings": scores["trials"][0]["value"],
        "with_chosen_settings": scores["trials"][scores["best"]]["value"],
    }
    page = write(model, tmp_path / "build", tmp_path / "reports").read_text()
    assert page.count('<tr class="best">') == 2
    assert f"{scores['trials'][1]['value']:.4f}" in page


def test_the_value_of_a_trial_is_that_of_a_fit_to_the_training_rows(log, tmp_path: Path) -> None:
    estimator = ESTIMATORS["mf"](**SMALL)
    train_rows, validation, _ = rows(log, estimator)
    _, record = tune(estimator, train_rows, validation, 1, {}, tmp_path / "trials.log")
    fitted = ESTIMATORS["mf"](**SMALL).fit(train_rows)
    predicted = fitted.predict_rows(validation.user_rows, validation.movie_rows)
    rmse = np.sqrt(np.square(predicted - validation.ratings).mean())
    assert record["scores"]["trials"][0]["value"] == pytest.approx(rmse, abs=1e-6)


def test_of_a_log_of_likes_machine_and_perceptron_are_tuned(log, tmp_path: Path) -> None:
    likes = dataclasses.replace(log, ratings=log.ratings[["user_id", "movie_id"]])
    estimator = ESTIMATORS["deepfm"](**SMALL)
    train_rows, validation, _ = rows(likes, estimator)
    tuned, record = tune(estimator, train_rows, validation, 2, {}, tmp_path / "trials.log")
    assert record["scores"]["metric"] == "auc"
    best = record["scores"]["trials"][record["scores"]["best"]]["settings"]
    of_machine, of_descent = {"n_factors", "unobserved_weight"}, {"learning_rate", "decay", "feature_decay"}
    assert best.keys() == of_machine | of_descent | {"method", "dropout"}
    assert tuned.settings.decay == best["decay"]
    assert "list_rating_slope" not in record["lists"]["trials"][0]["settings"]


def test_machine_and_perceptron_are_tuned_by_the_name_of_least_squares_too(log) -> None:
    likes = dataclasses.replace(log, ratings=log.ratings[["user_id", "movie_id"]])
    estimator = ESTIMATORS["deepfm"](dataclasses.replace(preset("quick", "deepfm", "like"), method="als", **SMALL))
    train, validation, _ = rows(likes, estimator)
    part = scores_part(estimator, train, validation)
    part = dataclasses.replace(part, measured=lambda tried: {part.metric: 0.5})
    (trial,) = part.tried(estimator.settings, 1, 0)
    assert trial.params["method"] == "gibbs"


def test_lists_are_no_worse_on_the_validation_rows_than_without_tuning(log, tmp_path: Path) -> None:
    estimator = ESTIMATORS["mf"](**SMALL, list_factors=(16,))
    train_rows, validation, _ = rows(log, estimator)
    _, plain = estimator.choose_list_ranker(train_rows, validation)
    tuned, record = tune(estimator, train_rows, validation, 3, {}, tmp_path / "trials.log")
    _, best = tuned.choose_list_ranker(train_rows, validation)
    values = [trial["value"] for trial in record["lists"]["trials"]]
    assert values[0] == plain["ndcg@10"]
    assert best["ndcg@10"] >= values[record["lists"]["best"]]
    assert best["ndcg@10"] >= max(values) / 1.03


def test_lists_are_tuned_where_ridge_and_damping_are_given(log, tmp_path: Path) -> None:
    estimator = ESTIMATORS["mf"](**SMALL, list_ridges=(50.0,), list_dampings=(0.05,), list_factors=(8,))
    train_rows, validation, _ = rows(log, estimator)
    tuned, record = tune(estimator, train_rows, validation, 2, {}, tmp_path / "trials.log")
    assert all(trial["value"] > 0 for trial in record["lists"]["trials"])
    assert tuned.settings.list_ridges[0] == 50.0
    assert (len(tuned.settings.list_ridges) > 1) == (record["lists"]["best"] > 0)


@pytest.mark.parametrize(("values", "best"), [((0.2, 0.205), 0), ((0.2, 0.207), 1), ((None, 0.1), 1), ((0.2, 0.1), 0)])
def test_a_gain_in_lists_that_may_be_noise_is_not_taken(values: tuple, best: int, log) -> None:
    part = lists_part(*rows(log, ESTIMATORS["mf"](**SMALL))[:2])
    assert part.best([SimpleNamespace(value=value) for value in values]) == best


def test_trials_of_other_rows_are_other_trials(log, tmp_path: Path, monkeypatch) -> None:
    fits, fit = [], TwoEncoderEstimator.fit
    monkeypatch.setattr(TwoEncoderEstimator, "fit", lambda *a, **o: fits.append(1) or fit(*a, **o))
    estimator = ESTIMATORS["mf"](**SMALL)
    three = rows(log, estimator)[:2]

    def fits_of(n_trials: int, study: dict) -> int:
        fits.clear()
        tune(estimator, *three, n_trials, study, tmp_path / "trials.log")
        return len(fits)

    assert [fits_of(2, {"log": 1}), fits_of(3, {"log": 1}), fits_of(2, {"log": 2})] == [2, 1, 2]


def test_what_cannot_be_tuned_is_said(log, tmp_path: Path) -> None:
    estimator = ESTIMATORS["deepfm"](**SMALL)
    train_rows, validation, _ = rows(log, estimator)
    with pytest.raises(SettingsError, match="--tune 3 chooses by validation rows, and this split has none"):
        tune(estimator, train_rows, validation.take(np.arange(0)), 3, {}, tmp_path / "trials.log")
    liked = validation.take(np.flatnonzero(validation.ratings > estimator.settings.like_above))
    with pytest.raises(SettingsError, match="scores by auc, which the validation rows do not measure"):
        tune(estimator, train_rows, liked, 3, {}, tmp_path / "trials.log")
