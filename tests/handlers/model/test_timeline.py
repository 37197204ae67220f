"""How often each movie was rated of late, against counting one by one."""

from __future__ import annotations

import numpy as np
import pytest

from handlers.recommender.model.timeline import MOST_DAYS, Timeline


@pytest.mark.parametrize("days", [1, 2, 7, 49, 50, 51, MOST_DAYS, 10**9])
def test_counts_are_those_of_the_ratings_that_are_young_enough(days: int) -> None:
    rng = np.random.default_rng(0)
    sizes = np.array([0, 1, 200, 0, 30, 2, 0])
    of_movies = [np.sort(rng.integers(0, 51, size)).astype(np.uint16) for size in sizes]
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    timeline = Timeline(np.concatenate(of_movies), offsets)
    assert timeline.counts(days).tolist() == [sum(age < days for age in ages) for ages in of_movies]
