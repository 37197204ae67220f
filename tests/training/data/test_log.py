"""The carrier refuses what it does not promise, and its hash names the contents."""

import numpy as np
import pandas as pd
import pytest

from training.data.log import DataError, RatingsLog


def ratings(**changes):
    columns = {
        "user_id": np.array([7, 7, 9]),
        "movie_id": pd.Series(["a", "b", "a"], dtype="str"),
        "rating": np.array([1, 4.5, 3], dtype="float32"),
        "timestamp": np.array([10, 20, 30]),
    }
    return pd.DataFrame(columns | changes)


def movies(**changes):
    columns = {
        "movie_id": pd.Series(["b", "a"], dtype="str"),
        "title": pd.Series(["B", "A"], dtype="str"),
        "year": pd.Series([1999, None], dtype="Int64"),
        "genres": pd.Series(["Comedy|Drama", ""], dtype="str"),
    }
    return pd.DataFrame(columns | changes)


def test_says_what_it_holds():
    log = RatingsLog("small", ratings(), movies=movies(), movie_features=("genres", "year"))
    assert log.has_ratings
    assert log.has_timestamps
    assert log.scale == (1.0, 4.5)
    assert len(log) == 3


def test_likes_have_no_scale():
    log = RatingsLog("likes", ratings()[["user_id", "movie_id"]])
    assert not log.has_ratings
    assert not log.has_timestamps
    with pytest.raises(DataError, match="likes: has no ratings"):
        log.scale  # noqa: B018 - the property raises


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            ratings().drop(columns="movie_id"),
            r"no columns \['movie_id'\].*Columns found: \['user_id', 'rating'",
        ),
        (ratings().iloc[:0], "has no rows"),
        (ratings().iloc[[2, 0]], r"the index of the ratings is not 0, 1, \.\.\."),
        (ratings(user_id=np.array([1.0, 2.0, 3.0])), "column 'user_id': has dtype float64"),
        (ratings(user_id=pd.Series([1, "b", 3], dtype=object)), "column 'user_id': has dtype object"),
        (
            ratings(movie_id=pd.Series(["a", None, "c"], dtype="str")),
            "column 'movie_id', row 2: the id is missing",
        ),
        (ratings(rating=np.array([1.0, 2.0, 3.0])), "column 'rating': has dtype float64, not float32"),
        (
            ratings(rating=np.array([1, np.nan, 3], dtype="float32")),
            "column 'rating', row 2: nan is not finite",
        ),
        (ratings(timestamp=np.array([1.0, 2.0, 3.0])), "column 'timestamp': has dtype float64, not int64"),
        (ratings(user_id=np.array([7, 7, 7])), "row 3: 1 pairs of user and movie occur again"),
        (ratings(stars=np.array([1, 2, 3])), r"unknown columns \['stars'\]"),
    ],
)
def test_refuses_ratings(table, message):
    with pytest.raises(DataError, match=message):
        RatingsLog("bad", table)


@pytest.mark.parametrize(
    ("table", "features", "message"),
    [
        (movies().drop(columns="genres"), (), r"bad movies: no columns \['genres'\]"),
        (movies(movie_id=np.array([1, 2])), (), "column 'movie_id': has dtype int64, the ratings have str"),
        (
            movies(movie_id=pd.Series(["a", "a"], dtype="str")),
            (),
            "column 'movie_id', row 2: 'a' occurs twice",
        ),
        (movies(year=np.array([1999, 2000])), (), "column 'year': has dtype int64, not Int64"),
        (movies(title=pd.Series(["A", None], dtype="str")), (), "column 'title': is not str"),
        (movies(), ("studio",), r"no side features \['studio'\].*Available: \['movie_id', 'title'"),
        (movies(), ("movie_id",), r"no side features \['movie_id'\]"),
        (None, ("genres",), r"no side features \['genres'\]"),
    ],
)
def test_refuses_side_tables(table, features, message):
    with pytest.raises(DataError, match=message):
        RatingsLog("bad", ratings(), movies=table, movie_features=features)


def test_long_values_are_shortened_in_messages():
    message = str(DataError("is wrong", file="f.csv", column="c", row=3, value="x" * 5000, remedy="Mend it"))
    assert message.startswith("f.csv, column 'c', row 3: 'xxx")
    assert message.endswith("... is wrong. Mend it")
    assert len(message) < 120


def test_with_rows_keeps_users_and_movies():
    log = RatingsLog("small", ratings(), movies=movies(), movie_features=("genres",))
    part = log.with_rows(np.array([2, 0]))
    assert part.ratings["timestamp"].tolist() == [30, 10]
    assert part.ratings.index.tolist() == [0, 1]
    assert part.movies is log.movies
    assert part.movie_features == ("genres",)
    assert log.with_rows(np.array([True, False, True])).ratings["timestamp"].tolist() == [10, 30]


def test_hash_names_the_contents():
    log = RatingsLog("small", ratings(), movies=movies())
    same = RatingsLog("other name", ratings(), movies=movies().iloc[::-1])
    assert len(log.sha256) == 64
    assert same.sha256 == log.sha256
    others = [
        RatingsLog("small", ratings()),
        RatingsLog("small", ratings(rating=np.array([1, 4.5, 2], dtype="float32")), movies=movies()),
        RatingsLog("small", ratings(timestamp=np.array([10, 20, 31])), movies=movies()),
        RatingsLog("small", ratings(), movies=movies(year=pd.Series([1999, 2000], dtype="Int64"))),
        log.with_rows(np.array([1, 0, 2])),  # the folds depend on the order
    ]
    assert len({log.sha256, *(other.sha256 for other in others)}) == 1 + len(others)
