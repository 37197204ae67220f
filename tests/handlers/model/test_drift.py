"""The drift of users between the moments at which it is known."""

from __future__ import annotations

import numpy as np
import pytest

from handlers.recommender.model.drift import Drift

SECONDS = 100.0


@pytest.fixture(scope="module")
def drift() -> Drift:
    """Of five users: 0 and 3 without ratings, 1 with one moment, 2 with forty, 4 with three."""
    rng = np.random.default_rng(0)
    times = [np.sort(rng.choice(5000, size, replace=False)) for size in (0, 1, 40, 0, 3)]
    offsets = np.append(0, np.cumsum([len(each) for each in times]))
    return Drift(offsets, np.concatenate(times), rng.normal(size=offsets[-1]).astype(np.float32), SECONDS)


def given_all_moments(drift: Drift, user: int, timestamp: int) -> float:
    """The process's mean given every known moment of the user, by a dense covariance matrix."""
    own = slice(drift.offsets[user], drift.offsets[user + 1])
    times = drift.times[own].astype(float)
    covariance = np.exp(-np.abs(times[:, None] - times) / SECONDS)
    return float(np.exp(-np.abs(timestamp - times) / SECONDS) @ np.linalg.solve(covariance, drift.values[own]))


def test_between_moments_it_is_the_mean_given_all_of_them(drift: Drift) -> None:
    rng = np.random.default_rng(1)
    users, timestamps = rng.integers(0, 5, 300), rng.integers(-100, 5200, 300)
    expected = [given_all_moments(drift, user, time) for user, time in zip(users, timestamps)]
    np.testing.assert_allclose(drift.at(users, timestamps), expected, atol=1e-5)


def test_at_known_moments_it_is_what_is_known(drift: Drift) -> None:
    users = np.repeat(np.arange(5), np.diff(drift.offsets))
    np.testing.assert_allclose(drift.at(users, drift.times), drift.values, atol=1e-6)


def test_far_from_all_moments_it_is_zero(drift: Drift) -> None:
    users = np.arange(5)
    for timestamp in (0 - 10**6, 10**6, 2**53 - 1):
        np.testing.assert_allclose(drift.at(users, np.full(5, timestamp)), 0, atol=1e-12)
