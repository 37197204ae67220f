"""What the moment of a rating adds to its score, on logs whose drift is known."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from handlers.recommender.model.link import Logistic, Ordinal, Regression
from tests.drifting import SECONDS, VARIANCE, Drifting, covariance, drifting, process
from tests.training.fits import quick, rmse
from training.data import RatingsLog, generate
from training.estimators import ESTIMATORS, TwoEncoderEstimator
from training.fitting import drift as module
from training.fitting.drift import Hyperparameters, Moments, fit_drift, most_likely
from training.interactions import Interactions, encode

NOISE = 0.25
WIDE = Regression(-100.0, 100.0, NOISE)


@pytest.fixture(scope="module")
def planted() -> tuple[Interactions, np.ndarray, np.ndarray]:
    """Rows, the drift of each, and ratings that are this drift and noise alone; sessions of about an hour."""
    log = generate(seed=3, users=80, movies=120, ratings=4000).log
    rng = np.random.default_rng(0)
    times = rng.integers(0, 4, len(log)) * 10**6 + rng.integers(0, 360, len(log)) * 10
    rows = dataclasses.replace(encode(log, False), timestamps=times)
    drift = process(rows.user_rows, times, rng)
    return rows, drift, (drift + NOISE**0.5 * rng.normal(size=len(log))).astype(np.float32)


def in_order(rows: Interactions) -> Interactions:
    return rows.take(np.lexsort((rows.timestamps, rows.user_rows)))


def zero(rows: Interactions) -> torch.Tensor:
    """The raw scores of a network that explains nothing."""
    return torch.zeros(len(rows))


def test_it_is_the_posterior_of_a_gaussian_process(planted) -> None:
    rows, _, ratings = planted
    rows = in_order(dataclasses.replace(rows, ratings=ratings))
    rows = rows.take(np.flatnonzero(rows.user_rows <= 3))
    raw = torch.full((len(rows),), 0.1)
    moments = Moments.of(rows, raw, WIDE, 1 / NOISE)
    same = rows.user_rows[:, None] == rows.user_rows
    apart = np.abs(rows.timestamps[:, None] - rows.timestamps)
    residuals = rows.ratings - 0.1

    def dense(given: Hyperparameters) -> tuple[np.ndarray, float]:
        prior = given.variance * np.exp(-apart / given.seconds) * same
        covariance = prior + given.dispersion * NOISE * np.eye(len(rows))
        return prior @ np.linalg.solve(covariance, residuals), multivariate_normal.logpdf(residuals, cov=covariance)

    given, other = Hyperparameters(0.3, 900.0, 1.2), Hyperparameters(0.05, 40.0, 0.8)
    found, expected = [moments.drift(each) for each in (given, other)], [dense(each) for each in (given, other)]
    at_ratings = np.cumsum(np.append(True, (np.diff(rows.user_rows) != 0) | (np.diff(rows.timestamps) != 0))) - 1
    np.testing.assert_allclose(found[0][0][at_ratings], expected[0][0], atol=1e-6)
    assert found[0][1] - found[1][1] == pytest.approx(expected[0][1] - expected[1][1])


def test_the_hyperparameters_of_a_planted_drift_are_found(planted) -> None:
    rows, _, ratings = planted
    rows = dataclasses.replace(rows, ratings=ratings)
    found = most_likely(Moments.of(rows, torch.zeros(len(rows)), WIDE, 1 / NOISE))
    assert found.variance == pytest.approx(VARIANCE, rel=0.2)
    assert found.seconds == pytest.approx(SECONDS, rel=0.3)
    assert found.dispersion == pytest.approx(1, rel=0.1)


def test_ratings_without_drift_have_none(planted) -> None:
    rows = planted[0]
    noise = np.random.default_rng(1).normal(size=len(rows)).astype(np.float32)
    assert fit_drift(dataclasses.replace(rows, ratings=noise), zero, WIDE) is None


@pytest.mark.parametrize("scale", [0.7, 1.0, 1.5])
def test_likes_without_drift_have_none_however_sure_the_scores_are(planted, scale: float) -> None:
    """Training rows are predicted too well, others not well enough: then the noise is not what the link says."""
    rows, rng = planted[0], np.random.default_rng(1)
    logits = rng.normal(0, 2, len(rows))
    likes = np.where(rng.random(len(rows)) < 1 / (1 + np.exp(-logits / scale)), 4, 2).astype(np.float32)
    raw = torch.from_numpy(logits).float()
    assert fit_drift(dataclasses.replace(rows, ratings=likes), lambda _: raw, Logistic(3.0)) is None


def test_likes_have_a_drift_too(planted) -> None:
    rows, drift, _ = planted
    logits = 3 * drift
    likes = np.where(np.random.default_rng(1).random(len(rows)) < 1 / (1 + np.exp(-logits)), 4, 2).astype(np.float32)
    found = fit_drift(dataclasses.replace(rows, ratings=likes), zero, Logistic(3.0))
    assert np.corrcoef(found.at(rows.user_rows, rows.timestamps), drift)[0, 1] > 0.7


@pytest.mark.parametrize("ratings", [[1.0], [0.0, 0.0], [1.0, -1.0]])
def test_few_ratings_have_none(planted, ratings: list[float]) -> None:
    rows = planted[0].take(np.arange(len(ratings)))
    rows = dataclasses.replace(rows, ratings=np.array(ratings, np.float32))
    assert fit_drift(rows, zero, WIDE) is None


def test_ordered_levels_have_a_drift_too(planted) -> None:
    rows, drift, ratings = planted
    levels = np.clip(np.round(ratings + 3), 1, 5).astype(np.float32)
    link = Ordinal((1.0, 2.0, 3.0, 4.0, 5.0), (1.5, 2.5, 3.5, 4.5), NOISE**0.5)
    found = fit_drift(dataclasses.replace(rows, ratings=levels), lambda some: torch.full((len(some),), 3.0), link)
    assert np.corrcoef(found.at(rows.user_rows, rows.timestamps), drift)[0, 1] > 0.8


@pytest.mark.parametrize("in_which_order", ["by user and time", "any"])
def test_neither_parts_nor_order_of_the_ratings_change_it(planted, in_which_order: str, monkeypatch) -> None:
    rows, _, ratings = planted
    rows, drifts = dataclasses.replace(rows, ratings=ratings), []
    monkeypatch.setattr(module, "most_likely", lambda moments: Hyperparameters(VARIANCE, SECONDS, 1.0))
    other = in_order(rows) if in_which_order != "any" else rows.take(np.random.default_rng(5).permutation(len(rows)))
    for given, at_a_time in ((rows, 1 << 20), (other, 100)):
        monkeypatch.setattr(module, "RATINGS_AT_A_TIME", at_a_time)
        drifts.append(fit_drift(given, zero, WIDE))
    for name in ("offsets", "times", "values"):
        np.testing.assert_allclose(getattr(drifts[0], name), getattr(drifts[1], name), atol=1e-6)


def test_some_users_are_enough_for_the_hyperparameters(planted, monkeypatch) -> None:
    rows, drift, ratings = planted
    rows, seen = dataclasses.replace(rows, ratings=ratings), []

    def scores(some: Interactions) -> torch.Tensor:
        seen.append(some)
        return zero(some)

    monkeypatch.setattr(module, "RATINGS_TO_CHOOSE_BY", 2000)
    found = fit_drift(rows, scores, WIDE)
    first, all_rows = seen
    assert 2000 <= len(first) < 2200
    counts = np.bincount(rows.user_rows)
    assert all(count in (0, counts[user]) for user, count in enumerate(np.bincount(first.user_rows)))
    assert all_rows is rows
    assert found.seconds == pytest.approx(SECONDS, rel=0.5)
    assert np.corrcoef(found.at(rows.user_rows, rows.timestamps), drift)[0, 1] > 0.8


def test_no_more_ratings_are_looked_at_where_some_have_no_drift(planted, monkeypatch) -> None:
    noise = np.random.default_rng(1).normal(size=len(planted[0])).astype(np.float32)
    seen = []
    monkeypatch.setattr(module, "RATINGS_TO_CHOOSE_BY", 500)
    fit_drift(dataclasses.replace(planted[0], ratings=noise), lambda some: seen.append(len(some)) or zero(some), WIDE)
    assert len(seen) == 1
    assert seen[0] < 1000


def test_one_user_may_have_all_ratings(planted, monkeypatch) -> None:
    rows, _, ratings = planted
    monkeypatch.setattr(module, "RATINGS_TO_CHOOSE_BY", 100)
    everybody = dataclasses.replace(rows, ratings=ratings, user_rows=np.full_like(rows.user_rows, 7))
    found = fit_drift(everybody, zero, WIDE)
    assert found is None or found.offsets[7] == 0


@pytest.fixture(scope="module")
def made() -> Drifting:
    return drifting()


@pytest.fixture(scope="module")
def parts(made: Drifting) -> tuple[np.ndarray, np.ndarray]:
    """Positions of training and held-out rows."""
    order = np.random.default_rng(0).permutation(len(made.log))
    return np.sort(order[1000:]), np.sort(order[:1000])


def best_gain(made: Drifting, train: np.ndarray, held_out: np.ndarray) -> float:
    """How much the moment reduces the mean squared error of somebody who knows all but the drift and the noise."""
    ratings, expected = made.log.ratings, np.zeros(len(made.log))
    users, times = ratings["user_id"].to_numpy(), ratings["timestamp"].to_numpy()
    rest = ratings["rating"].to_numpy() - made.level
    for user in np.unique(users[held_out]):
        own, asked = (rows[users[rows] == user] for rows in (train, held_out))
        noisy = covariance(times[own], times[own]) + made.noise**2 * np.eye(len(own))
        expected[asked] = covariance(times[asked], times[own]) @ np.linalg.solve(noisy, rest[own])
    return np.square(rest[held_out]).mean() - np.square(rest - expected)[held_out].mean()


def fitted(model: str, log: RatingsLog, train: np.ndarray, **settings) -> TwoEncoderEstimator:
    estimator = ESTIMATORS[model](quick(model, sweeps=30, burn_in=10, **settings), list_ranker=False)
    return estimator.fit(encode(log, estimator.uses_features).take(train))


@pytest.mark.parametrize("model", ["mf", "fm"])
def test_the_moment_gains_at_least_half_of_what_is_possible(model: str, made: Drifting, parts) -> None:
    """Not all: the network's own errors are larger than the noise, and it has learnt a part of the drift as taste."""
    estimator, asked = fitted(model, made.log, parts[0]), made.log.ratings.iloc[parts[1]]
    pairs, ratings = (asked["user_id"], asked["movie_id"]), asked["rating"].to_numpy()
    with_moment, without = (rmse(estimator.predict(*pairs, *when), ratings) for when in ((asked["timestamp"],), ()))
    assert without**2 - with_moment**2 > 0.5 * best_gain(made, *parts)


def test_scores_without_a_timestamp_do_not_depend_on_it(made: Drifting, parts) -> None:
    with_drift, plain = (fitted("mf", made.log, parts[0], drift=drift) for drift in (True, False))
    asked = made.log.ratings.iloc[parts[1]]
    pairs = asked["user_id"], asked["movie_id"]
    assert plain.drift is None
    np.testing.assert_array_equal(with_drift.predict(*pairs), plain.predict(*pairs))
    np.testing.assert_array_equal(plain.predict(*pairs), plain.predict(*pairs, asked["timestamp"]))
