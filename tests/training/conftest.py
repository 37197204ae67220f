"""A planted log, large enough that a fit finds what was planted, and its rows in three parts."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from training.data import RatingsLog, Truth, generate


@pytest.fixture(scope="session")
def log_and_truth() -> tuple[RatingsLog, Truth]:
    made = generate(seed=5, users=200, movies=120, ratings=12_000)
    return made.log, made.truth


@pytest.fixture(scope="session")
def parts() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions for training, validation and test."""
    order = np.random.default_rng(0).permutation(12_000)
    return np.sort(order[:9000]), np.sort(order[9000:10_500]), np.sort(order[10_500:])


@pytest.fixture(scope="session")
def many_unrated(log_and_truth) -> RatingsLog:
    """The planted log, with 12,000 further movies in the movies file."""
    log = log_and_truth[0]
    further = log.movies.iloc[np.arange(12_000) % len(log.movies)]
    further = further.assign(movie_id=1_000_000 + np.arange(12_000))
    return dataclasses.replace(log, movies=pd.concat([log.movies, further], ignore_index=True))
