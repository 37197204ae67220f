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


@pytest.mark.parametrize("kind", IDS)
@pytest.mark.parametrize("with_moments", [True, False])
def test_the_latest_row_of_each_pair_stays(kind, with_moments):
    """Beside pandas; many moments are the same, and of these the last row is the latest."""
    table = drawn(kind, 300).assign(timestamp=RNG.integers(0, 4, 300))
    ordered = table.sort_values("timestamp", kind="stable") if with_moments else table
    expected = ordered.drop_duplicates(["user_id", "movie_id"], keep="last").index
    (found,) = pairs.keys(table)
    stays = pairs.latest(found, table["timestamp"].to_numpy() if with_moments else None)
    assert np.flatnonzero(stays).tolist() == sorted(expected)
    others = pairs.earlier(table, stays)
    assert others.values.tolist() == table.drop(index=expected).values.tolist()


def test_without_repeats_or_moments_there_is_nothing_earlier():
    table = drawn("small", 300)
    assert pairs.earlier(table, np.zeros(300, bool)) is None
    assert pairs.earlier(table.assign(timestamp=1), np.ones(300, bool)) is None
