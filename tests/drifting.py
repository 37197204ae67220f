"""A log whose users drift: in a session they rate higher or lower than usual, and by how much changes meanwhile."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from training.data import RatingsLog, generate

VARIANCE, SECONDS = 0.3, 1800.0


class Drifting(NamedTuple):
    """``level`` float64 [n]: the ratings of the log without their ``noise`` (a standard deviation) and their drift."""

    log: RatingsLog
    level: np.ndarray
    noise: float


def drifting() -> Drifting:
    """Four sessions a user of an hour each, months apart."""
    made, rng = generate(seed=1, users=150, movies=100, ratings=7000), np.random.default_rng(1)
    log, truth, ratings = made.log, made.truth, made.log.ratings
    times = 880_000_000 + rng.integers(0, 4, len(log)) * 10**7 + rng.integers(0, 3600, len(log))
    positions = [np.searchsorted(ids, ratings[ids.name]) for ids in (log.users["user_id"], log.movies["movie_id"])]
    level, noise = truth.level(*positions), truth.noise * rng.normal(size=len(log))
    rating = (level + process(ratings["user_id"].to_numpy(), times, rng) + noise).astype("float32")
    return Drifting(
        dataclasses.replace(log, ratings=ratings.assign(rating=rating, timestamp=times)), level, truth.noise
    )


def process(users: np.ndarray, times: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A draw of the users' drift at ratings [n]."""
    drift = np.empty(len(users))
    for user in np.unique(users):
        own = users == user
        drift[own] = rng.multivariate_normal(np.zeros(own.sum()), covariance(times[own], times[own]), method="eigh")
    return drift


def covariance(times: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Of a user's drift at ``times`` [n] and ``others`` [m]: [n, m]."""
    return VARIANCE * np.exp(-np.abs(times[:, None] - others) / SECONDS)
