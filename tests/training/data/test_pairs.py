"""Pairs as integers: the same as pandas finds, for ids of every kind."""

import numpy as np
import pandas as pd
import pytest

from training.data import pairs

RNG = np.random.default_rng(0)
IDS = {
    "small": np.arange(30),
    "negative": np.arange(30) - 12,
    "far from each other": np.array([-(2**62), 2**62, *range(28)]),
    "farther than int64 counts": np.array([-(2**63), 2**63 - 1, *range(28)]),
    "strings": pd.Series([f"u-{number}" for number in range(30)], dtype="str"),
}


def drawn(kind, rows):
    users, movies = (pd.Series(IDS[kind]).iloc[RNG.integers(0, 30, rows)].reset_index(drop=True) for _ in range(2))
    return pd.DataFrame({"user_id": users, "movie_id": movies})


@pytest.mark.parametrize("kind", IDS)
def test_repeated(kind):
    table = drawn(kind, 300)
    expected = np.flatnonzero(table.duplicated(keep=False))
    assert 10 < len(expected) < 290
    assert pairs.repeated(table).tolist() == expected.tolist()
    once = table.drop_duplicates().reset_index(drop=True)
    assert len(pairs.repeated(once)) == 0
    assert len(pairs.repeated(once.sort_values(["user_id", "movie_id"]))) == 0


@pytest.mark.parametrize("kind", IDS)
def test_keys_of_two_tables(kind):
    ours, theirs = drawn(kind, 300), drawn(kind, 50)
    first, second = pairs.keys(ours, theirs)
    expected = pd.MultiIndex.from_frame(theirs).isin(pd.MultiIndex.from_frame(ours))
    assert 0 < expected.sum() < 50
    assert pairs.among(second, np.sort(first)).tolist() == expected.tolist()


def test_among_nothing():
    assert pairs.among(np.array([1, 2]), np.empty(0, np.int64)).tolist() == [False, False]
