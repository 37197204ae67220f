"""Popularity damping: the more of it, the less popular the movies of lists."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.recommender.model.popularity import Popularity

CPU = torch.device("cpu")


def test_a_positive_number_is_divided_by_a_power_of_the_count() -> None:
    counts = np.array([0, 1, 4, 100])
    damped = Popularity(counts, CPU).damped(torch.ones(4), 0.5)
    assert damped.tolist() == pytest.approx([1, 1, 1 / 2, 1 / 10])


def test_popularity_never_lifts_a_movie() -> None:
    damped = Popularity(np.array([1, 100]), CPU).damped(torch.tensor([-1.0, -1.0]), 0.5)
    assert damped.tolist() == pytest.approx([-1, -10])


def test_what_nothing_speaks_for_and_what_is_left_out_stay_as_they_are() -> None:
    numbers = torch.tensor([0.0, -torch.inf, 0.0])
    assert Popularity(np.array([3, 5, 0]), CPU).damped(numbers, 1.0).tolist() == [0, -torch.inf, 0]


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_lists_get_less_popular_as_damping_grows(seed: int) -> None:
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 10_000, 200)
    numbers = torch.from_numpy(rng.lognormal(size=200).astype(np.float32) * rng.choice([-1, 1], 200, p=[0.2, 0.8]))
    popularity = Popularity(counts, CPU)
    logs = np.log(np.maximum(counts, 1))
    means = [
        logs[popularity.damped(numbers, damping).topk(10).indices.numpy()].mean() for damping in np.linspace(0, 1, 11)
    ]
    assert (np.diff(means) <= 1e-6).all()
