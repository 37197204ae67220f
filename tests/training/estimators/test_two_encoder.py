"""Fits find what was planted, repeatably, and know what they cannot know."""

from __future__ import annotations

import dataclasses
import functools
from typing import ClassVar

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError

from tests.training.fits import fitted, quick, raw_scores, rmse, rows_of
from training.errors import SettingsError
from training.estimators import ESTIMATORS, MF, DeepFM
from training.fitting.methods import ADAM
from training.interactions import encode
from training.rankers import ease

MODELS = list(ESTIMATORS)


@pytest.fixture(scope="module")
def fits(log_and_truth, parts):
    """Each model fitted to ratings, once for all tests that look at it."""

    @functools.cache
    def of(model: str):
        settings = quick(model, decay=0.02, feature_decay=0.02, learning_rate=0.01)
        return fitted(model, log_and_truth[0], settings, parts[0], parts[1])

    return of


@pytest.mark.parametrize("model", MODELS)
class TestEveryModel:
    def test_comes_near_the_best_possible_prediction(self, model: str, fits, log_and_truth, parts) -> None:
        log, truth = log_and_truth
        ratings = log.ratings["rating"].to_numpy()
        error = rmse(raw_scores(fits(model), log, parts[2]), ratings[parts[2]])
        spread = ratings[parts[2]].std()
        # Of the distance from a constant to the planted truth, at least three quarters.
        assert spread - error > 0.75 * (spread - truth.best_rmse), (spread, error, truth.best_rmse)

    def test_an_unknown_user_is_no_worse_off_than_with_the_movies_mean(self, model, fits, log_and_truth, parts) -> None:
        log, _ = log_and_truth
        ratings = log.ratings["rating"].to_numpy()
        error = rmse(raw_scores(fits(model), log, parts[2], user=0), ratings[parts[2]])
        movies = rows_of(fits(model), log, np.arange(len(log))).movie_rows
        assert error < 1.01 * rmse(mean_by(movies, ratings, parts), ratings[parts[2]])

    def test_an_unknown_movie_is_no_worse_off_than_with_the_users_mean(self, model, fits, log_and_truth, parts) -> None:
        log, _ = log_and_truth
        ratings = log.ratings["rating"].to_numpy()
        error = rmse(raw_scores(fits(model), log, parts[2], movie=0), ratings[parts[2]])
        users = rows_of(fits(model), log, np.arange(len(log))).user_rows
        assert error < 1.02 * rmse(mean_by(users, ratings, parts), ratings[parts[2]])

    def test_the_same_seed_gives_the_same_network_and_another_seed_another(self, model, log_and_truth, parts) -> None:
        settings = quick(model, sweeps=3, burn_in=1, epochs=2)
        first, second, other = (
            fitted(model, log_and_truth[0], settings, parts[0], seed=seed).network.state_dict() for seed in (1, 1, 2)
        )
        assert all(torch.equal(first[name], second[name]) for name in first)
        assert not torch.equal(first["users.embeddings.weight"], other["users.embeddings.weight"])

    def test_fits_likes(self, model, log_and_truth, parts) -> None:
        log = log_and_truth[0]
        estimator = fitted(model, log, quick(model, "like", learning_rate=0.01), parts[0], parts[1])
        likes = log.ratings["rating"].to_numpy()[parts[2]] > 3
        scores = raw_scores(estimator, log, parts[2])
        assert scores[likes].mean() > scores[~likes].mean() + 0.5

    def test_fits_a_log_of_likes_alone(self, model, log_and_truth, parts) -> None:
        log = log_and_truth[0]
        liked = log.with_rows(log.ratings["rating"].to_numpy() > 3.5)
        liked = dataclasses.replace(liked, ratings=liked.ratings[["user_id", "movie_id"]])
        settings = quick(model, "like", epochs=25, decay=0.001, feature_decay=0.001, learning_rate=0.02)
        everything = np.arange(len(liked))
        estimator = fitted(model, liked, settings, everything)
        drawn = np.random.default_rng(0).integers(1, estimator.train.shape[1], len(liked))
        at_random = estimator.raw_scores(estimator.train.user_rows, drawn).numpy()
        assert raw_scores(estimator, liked, everything).mean() > at_random.mean() + 0.3


def mean_by(rows: np.ndarray, ratings: np.ndarray, parts) -> np.ndarray:
    """Each test row's mean rating of its user (or movie) in training; the overall mean where there is none."""
    train, _, test = parts
    counts = np.bincount(rows[train], minlength=rows.max() + 1)
    sums = np.bincount(rows[train], ratings[train], minlength=rows.max() + 1)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), ratings[train].mean())
    return means[rows[test]]


def test_a_fit_without_validation_rows_goes_the_way_of_the_one_that_chose_its_epochs(log_and_truth, parts) -> None:
    log, (train, validation, _) = log_and_truth[0], parts
    settings = quick("deepfm", method="adam", epochs=30, decay=0.0, feature_decay=0.0, learning_rate=0.02, patience=2)
    stopped = fitted("deepfm", log, settings, train, validation)
    again = stopped.with_choices()
    assert again.settings.stop_after == 1 + int(np.argmin(stopped.losses["validation"])) < 30
    again.fit(stopped.train)
    for name, weights in stopped.network.state_dict().items():
        assert torch.equal(weights, again.network.state_dict()[name]), name


def test_a_method_that_a_model_does_not_have_is_named(log_and_truth, parts) -> None:
    class Plain(DeepFM):
        methods: ClassVar = {"adam": ADAM}

    estimator = Plain(method="gibbs", target="rating", list_ranker=False)
    with pytest.raises(SettingsError, match="--method is gibbs: DeepFM is fitted by adam"):
        estimator.fit(log_and_truth[0])


def test_validation_rows_choose_the_list_ranker(log_and_truth, parts) -> None:
    """What they choose is not the first of what is tried, which counts where there are no validation rows."""
    settings = quick("mf", sweeps=2, burn_in=1, list_ridges=(1e6, 20.0), list_factors=(1, 8))
    everything = encode(log_and_truth[0], False)
    train, validation, _ = (everything.take(rows) for rows in parts)
    expected, lists = ease.choose(train, validation, settings)
    assert expected.list_factors == (8,)
    with_validation = MF(settings).fit(train, validation)
    assert with_validation.with_choices().settings == expected
    assert with_validation.ranker.items.shape[1] == 8
    chosen, metrics = MF(settings).choose_list_ranker(train, validation)
    assert chosen.settings == expected
    assert metrics == lists
    without = MF(settings).fit(train)
    assert without.with_choices().settings == settings
    assert without.ranker.items.shape[1] == 1


def test_without_a_list_ranker_the_scores_order_the_lists(log_and_truth) -> None:
    estimator = MF(sweeps=2, burn_in=1, list_ranker=False).fit(log_and_truth[0])
    users = np.array([1, 2])
    pairs = np.repeat(users, estimator.train.shape[1]), np.tile(np.arange(estimator.train.shape[1]), 2)
    expected = estimator.predict_rows(*pairs).reshape(2, -1)
    np.testing.assert_array_equal(estimator.order(users), expected)
    with pytest.raises(NotFittedError, match="no list ranker"):
        _ = estimator.ranker
