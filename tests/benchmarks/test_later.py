"""Lists of what is asked for next (no peer's library is needed)."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from benchmarks.quality import later
from training.data import RatingsLog, generate
from training.interactions import Interactions, encode

DAY = 86_400


def rows_of(movies: list[int], days: list[int]) -> Interactions:
    table = {"user_id": range(len(movies)), "movie_id": movies, "timestamp": [DAY * day for day in days]}
    return encode(RatingsLog("hand-made", pd.DataFrame(table)), False)


def test_popularity_counts_rows_by_their_age() -> None:
    train = rows_of([1, 1, 1, 2, 2, 3], [0, 0, 0, 93, 100, 100])

    def counts(**settings: int) -> list[float]:
        return later.popularity(train, settings)(np.array([1]))[0].tolist()

    assert counts() == [0, 3, 2, 1]
    assert counts(days=7) == [0, 0, 2, 1]
    assert counts(days=6) == [0, 0, 1, 1]
    assert counts(half_life=7) == pytest.approx([0, 3 * 0.5 ** (100 / 7), 1.5, 1])


def test_an_interval_is_that_of_the_mean_over_users() -> None:
    values = np.random.default_rng(0).normal(0.3, 0.1, 400)
    low, high = later._interval(values)
    reach = 1.96 * values.std() / 20
    assert (low, high) == pytest.approx((values.mean() - reach, values.mean() + reach), abs=0.002)


def test_our_lists_are_measured_beside_popularity_of_late() -> None:
    log = generate(seed=0, users=150, movies=80, ratings=4000).log
    found = later.of_ours(log, False, list_ridges=(100.0,), list_dampings=(0.0,), list_factors=(16,))
    assert found["ndcg_interval"][0] < found["ndcg@10"] < found["ndcg_interval"][1]
    assert found["ahead_interval"][0] < found["ahead"] < found["ahead_interval"][1]
    assert found["users"] > 0
    chosen = {"list_ridges", "list_dampings", "list_strengths", "list_factors", "list_half_lives"}
    assert found["chosen"].keys() == chosen


def test_a_log_without_timestamps_has_no_such_lists() -> None:
    log = generate(seed=0, users=50, movies=30, ratings=500).log
    assert list(later.tasks(log, "planted"))
    without = dataclasses.replace(log, ratings=log.ratings.drop(columns="timestamp"))
    assert not list(later.tasks(without, "planted"))
