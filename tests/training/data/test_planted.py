"""A planted log has its sizes and tails, its best error is known, and it is made once."""

import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from scipy.special import ndtri

from training.data import load, planted
from training.data.planted import Size, make

SMALL = Size(ratings=60_000, users=800, movies=900)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make(SMALL, tmp_path_factory.mktemp("planted") / "small")


@pytest.fixture(scope="module")
def ratings(made):
    return pd.read_parquet(made / "ratings.parquet")


def test_sizes(made, ratings):
    assert len(ratings) == SMALL.ratings
    assert ratings["user_id"].unique().tolist() == list(range(1, SMALL.users + 1))
    movies = pd.read_parquet(made / "movies.parquet")
    assert len(movies) == SMALL.movies
    assert movies["movie_id"].is_unique
    assert set(ratings["movie_id"]) <= set(movies["movie_id"])
    assert not ratings.duplicated(["user_id", "movie_id"]).any()
    assert set(ratings["rating"] * 2) == set(range(1, 11))


def test_long_tails(ratings):
    for column, median_share in (("user_id", 0.7), ("movie_id", 0.5)):
        counts = ratings.groupby(column).size()
        assert counts.median() < median_share * counts.mean()
        assert counts.max() > 4 * counts.mean()
    assert ratings.groupby("user_id").size().min() >= 20


def test_no_prediction_from_the_log_beats_the_best(made, ratings):
    best = json.loads((made / "made.json").read_text())["best_rmse"]
    assert 0.65 < best < planted._NOISE + 0.05
    by_user = ratings.groupby("user_id")["rating"].transform("mean")
    by_movie = (ratings["rating"] - by_user).groupby(ratings["movie_id"]).transform("mean")
    biases = float(np.sqrt(np.mean((ratings["rating"] - by_user - by_movie) ** 2)))
    assert best + 0.02 < biases < 0.95 * ratings["rating"].std()


def test_the_best_error_is_that_of_the_planted_structure(made, ratings):
    # The same draws again, and the mean rating from quantiles of the noise instead of the normal distribution.
    rng = np.random.default_rng(0)
    movies = planted._Movies.draw(rng, SMALL)
    users = planted._Users.draw(np.random.default_rng([0, 0]), planted._ratings_of_users(rng, SMALL))
    positions = movies.table["movie_id"].searchsorted(ratings["movie_id"])
    level = users.levels(ratings["user_id"].to_numpy() - 1, movies, positions)[:, None]
    noise = planted._NOISE * ndtri((np.arange(400) + 0.5) / 400)
    expected = (np.round((level + noise) * 2) / 2).clip(0.5, 5).mean(axis=1)
    rmse = float(np.sqrt(np.mean((ratings["rating"] - expected) ** 2)))
    assert rmse == pytest.approx(json.loads((made / "made.json").read_text())["best_rmse"], abs=1e-4)


def test_blocks_and_seeds(made, ratings, tmp_path, monkeypatch):
    other = make(SMALL, tmp_path / "other", seed=1)
    assert not pd.read_parquet(other / "ratings.parquet").equals(ratings)
    monkeypatch.setattr(planted, "_BLOCK", 9_000)
    parts = pq.ParquetFile(make(SMALL, tmp_path / "parts") / "ratings.parquet")
    assert parts.num_row_groups > 5
    assert parts.metadata.num_rows == SMALL.ratings


def test_it_is_made_once(made, tmp_path):
    folder = make(SMALL, tmp_path / "log")
    assert (folder / "ratings.parquet").read_bytes() == (made / "ratings.parquet").read_bytes()
    (folder / "ratings.parquet").write_bytes(b"kept")
    make(SMALL, folder)
    assert (folder / "ratings.parquet").read_bytes() == b"kept"
    make(SMALL, folder, seed=1)
    assert (folder / "ratings.parquet").stat().st_size > 1000
    assert sorted(path.name for path in folder.iterdir()) == ["made.json", "movies.parquet", "ratings.parquet"]


def test_a_log_by_its_name(tmp_path, monkeypatch):
    monkeypatch.setitem(planted.SIZES, "1m", SMALL)
    log = load("synthetic:1m", folder=tmp_path)
    assert (log.name, len(log), len(log.movies)) == ("synthetic-1m", SMALL.ratings, SMALL.movies)
    assert log.movie_features == ("genres", "year")
    assert planted.best_rmse("synthetic:1m", tmp_path) > 0.65
