"""Every row is in exactly one part, and in the right one."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.data import DataError, RatingsLog, generate, load, split

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def synthetic():
    return generate(users=60, movies=50, ratings=1000).log


@pytest.fixture(scope="module")
def ml_100k():
    return load("ml-100k", folder=ROOT / "data")


def log_of(users, timestamps=None):
    """Rows of `users` in this order, each of another movie."""
    table = {"user_id": np.array(users), "movie_id": np.arange(len(users))}
    if timestamps is not None:
        table["timestamp"] = np.array(timestamps)
    return RatingsLog("hand-made", pd.DataFrame(table))


def parts(result):
    return result.train.tolist(), result.validation.tolist(), result.test.tolist()


def covers(result, rows):
    everything = np.concatenate([result.train, result.validation, result.test])
    return np.array_equal(np.sort(everything), np.arange(rows))


@settings(max_examples=50, deadline=None)
@given(
    rows=st.integers(20, 200),
    seed=st.integers(0, 1000),
    how=st.sampled_from(["random", "time"]),
    validation=st.sampled_from([0, 0.1, 0.25]),
    test=st.sampled_from([0, 0.1, 0.5]),
)
def test_shares(rows, seed, how, validation, test):
    log = log_of([1] * rows, np.random.default_rng(seed).integers(0, 9, rows))
    result = split(log, how, seed, validation, test)
    assert covers(result, rows)
    assert len(result.test) == round(test * rows)
    assert len(result.validation) == round(validation * rows)
    assert all(np.array_equal(part, np.sort(part)) for part in (result.train, result.validation, result.test))


def test_random_is_by_seed(synthetic):
    assert parts(split(synthetic, "random", 1)) == parts(split(synthetic, "random", 1))
    assert parts(split(synthetic, "random", 1)) != parts(split(synthetic, "random", 2))
    assert split(synthetic, "random", 1).test.max() > 900  # not the first rows


def test_time_takes_the_latest():
    log = log_of([1] * 10, [50, 40, 30, 90, 20, 90, 10, 90, 5, 7])
    assert parts(split(log, "time", 0, validation=0.2, test=0.2)) == ([1, 2, 4, 6, 8, 9], [0, 3], [5, 7])


@pytest.mark.parametrize("how", ["time", "random"])
def test_a_share_may_stand_behind_the_split(synthetic, how):
    named = split(synthetic, f"{how}:0.02", 3)
    assert parts(named) == parts(split(synthetic, how, 3, validation=0.01, test=0.02))
    assert parts(split(synthetic, how, 3)) == parts(split(synthetic, f"{how}:0.2", 3))
    assert len(split(synthetic, f"{how}:0.02", 3, test=0).validation) == 10
    assert len(split(synthetic, f"{how}:0.02", 3, validation=0, test=0.5).test) == 500


def test_time_on_a_log(synthetic):
    result = split(synthetic, "time", 0)
    time = synthetic.ratings["timestamp"].to_numpy()
    assert time[result.train].max() <= time[result.validation].min()
    assert time[result.validation].max() <= time[result.test].min()
    assert parts(result) == parts(split(synthetic, "time", 99))


def test_leave_one_out_by_timestamp():
    log = log_of([1, 1, 1, 2, 2, 3, 1], [40, 10, 30, 5, 5, 1, 20])
    # User 1 by time: rows 1, 6, 2, 0. User 2: 3, 4 (one second, so file order). User 3: a single row.
    assert parts(split(log, "leave-one-out", 0)) == ([1, 3, 5, 6], [2], [0, 4])


def test_no_test_rows_are_wanted_where_they_are_given_apart(ml_100k):
    log = log_of([1, 1, 1, 2, 2, 3, 1], [40, 10, 30, 5, 5, 1, 20])
    # The last rows are for validation then: training on them and validating on those before would look ahead.
    assert parts(split(log, "leave-one-out", 0, test=0)) == ([1, 2, 3, 5, 6], [0, 4], [])
    assert parts(split(log, "leave-one-out", 0, validation=0, test=0)) == ([0, 1, 2, 3, 4, 5, 6], [], [])
    fold = split(ml_100k, "u1", 0, test=0)
    assert covers(fold, 100_000)
    assert (len(fold.train), len(fold.validation), len(fold.test)) == (90_000, 10_000, 0)


def test_leave_one_out_by_file_order():
    assert parts(split(log_of([1, 2, 1, 2, 1, 3]), "leave-one-out", 0)) == ([0, 1, 5], [2], [3, 4])


def test_leave_one_out_on_a_log(synthetic):
    result = split(synthetic, "leave-one-out", 0)
    assert covers(result, 1000)
    users = synthetic.ratings["user_id"]
    assert users.iloc[result.test].is_unique
    assert set(users.iloc[result.train]) == set(users)


@pytest.mark.parametrize(
    ("how", "options", "message"),
    [
        ("u6", {}, "'u6' is not a split of hand-made. Known: random, time"),
        (
            "time:2",
            {},
            "'time:2' is not a split of hand-made. Known: .*; random:0.02 and time:0.02 hold out such a share",
        ),
        ("time:", {}, "'time:' is not a split"),
        ("u1:0.1", {}, "'u1:0.1' is not a split"),
        ("u1", {}, "hand-made: the fold u1 is one of ml-100k"),
        ("time", {}, "hand-made: has no timestamps"),
        ("leave-one-out", {}, "hand-made: no user has two rows"),
        (
            "leave-one-out",
            {"users": [1, 1, 2, 2]},
            "hand-made: no user has three rows, so there are none for validation",
        ),
        ("random", {"test": 0.05}, "0.05 of 4 rows for test is no row"),
        (
            "random",
            {"test": 0.5, "validation": 0.5},
            "2 test and 2 validation rows of 4 leave none to train on",
        ),
        ("random", {"test": 1.0}, "1.0 is no share for test"),
        ("random", {"test": -0.1}, "-0.1 is no share for test"),
        ("random", {"test": 0.25, "validation": float("nan")}, "nan is no share for validation"),
    ],
)
def test_what_cannot_be(how, options, message):
    with pytest.raises(DataError, match=message):
        split(log_of(options.pop("users", [1, 2, 3, 4])), how, 0, **options)


@pytest.mark.parametrize("fold", [1, 2, 3, 4, 5])
def test_canonical_folds(ml_100k, fold):
    result = split(ml_100k, f"u{fold}", seed=3)
    assert result.test.tolist() == list(range((fold - 1) * 20_000, fold * 20_000))
    assert len(result.validation) == 10_000
    assert covers(result, 100_000)
    assert parts(result) == parts(split(ml_100k, f"u{fold}", seed=3))
    assert result.validation.tolist() != split(ml_100k, f"u{fold}", seed=4).validation.tolist()
    # As in GroupLens' u1.test ... u5.test: so many users and movies.
    test = ml_100k.ratings.iloc[result.test]
    assert (test["user_id"].nunique(), test["movie_id"].nunique()) == (
        {1: (459, 1410), 2: (653, 1420), 3: (869, 1423), 4: (923, 1394), 5: (927, 1407)}[fold]
    )
    assert len(split(ml_100k, f"u{fold}", seed=3, validation=0).train) == 80_000


def test_no_fold_of_a_part_of_ml_100k(ml_100k):
    with pytest.raises(DataError, match="the fold u1 is one of ml-100k"):
        split(ml_100k.with_rows(np.arange(50_000)), "u1", 0)
