"""The planted answer is really in the log."""

import numpy as np
import pandas as pd
import pytest

from training.data import DataError, generate, load


@pytest.fixture(scope="module")
def made():
    return generate(seed=1)


def positions(made):
    log = made.log
    users = pd.Index(log.users["user_id"]).get_indexer(log.ratings["user_id"])
    movies = pd.Index(log.movies["movie_id"]).get_indexer(log.ratings["movie_id"])
    return users, movies, log.ratings["rating"].to_numpy(dtype=float)


def rmse(prediction, rating):
    return float(np.sqrt(np.mean((prediction - rating) ** 2)))


def test_sizes_and_scale(made):
    log = made.log
    assert (len(log), len(log.users), len(log.movies)) == (24_000, 400, 300)
    assert log.scale == (1, 5)
    assert set(log.ratings["rating"] * 2) == set(range(2, 11))
    assert log.has_timestamps
    assert log.user_features == ("gender", "age", "occupation")
    assert log.movie_features == ("genres", "year")
    assert log.ratings["user_id"].nunique() == 400
    assert log.ratings.groupby("user_id").size().min() >= 3


def test_the_seed_decides(made):
    assert generate(seed=1).log.sha256 == made.log.sha256
    assert generate(seed=2).log.sha256 != made.log.sha256
    assert load("synthetic").sha256 == generate().log.sha256


def test_string_ids_change_nothing_else(made):
    named = generate(seed=1, string_ids=True)
    assert named.log.users["user_id"].tolist()[:2] == ["u-1", "u-2"]
    assert named.log.movies["movie_id"].iat[6] == "m-7"
    columns = ["rating", "timestamp"]
    assert named.log.ratings[columns].equals(made.log.ratings[columns])
    assert named.log.ratings["user_id"].dtype == "str"


def test_the_best_prediction_is_unbiased_and_the_best(made):
    users, movies, rating = positions(made)
    expected = made.truth.expected(users, movies)
    best = rmse(expected, rating)
    assert best == pytest.approx(made.truth.best_rmse)
    assert 0.9 * made.truth.noise < best < 1.1 * made.truth.noise
    assert np.mean(rating - expected) == pytest.approx(0, abs=0.015)
    for low in np.arange(1, 5, 0.5):  # calibrated all along the scale, its clipped ends included
        in_bin = (expected >= low) & (expected < low + 0.5)
        if in_bin.sum() > 200:
            assert rating[in_bin].mean() == pytest.approx(expected[in_bin].mean(), abs=0.08)
    assert best < rmse(made.truth.level(users, movies).clip(1, 5), rating) + 1e-3
    for other in (expected + 0.1, expected * 0.9 + 0.3, np.full_like(rating, rating.mean())):
        assert best < rmse(other, rating)


def test_expected_is_the_mean_of_many_draws(made):
    users, movies = np.array([3, 50, 7]), np.array([9, 1, 200])
    draws = made.truth.level(users, movies) + np.random.default_rng(0).normal(0, made.truth.noise, (200_000, 3))
    ratings = (np.round(draws * 2) / 2).clip(1, 5)
    assert made.truth.expected(users, movies) == pytest.approx(ratings.mean(axis=0), abs=0.01)


def test_side_features_carry_signal(made):
    users, movies, rating = positions(made)
    plain = rating.std()
    table = pd.DataFrame(
        {
            "rating": rating,
            "occupation": made.log.users["occupation"].to_numpy()[users],
            "genre": made.log.movies["genres"].str.split("|").str[0].to_numpy()[movies],
            "old": made.log.users["age"].to_numpy()[users] > 43,
            "new": made.log.movies["year"].to_numpy(dtype=int)[movies] > 1985,
        }
    )
    matched = table.groupby(["occupation", "genre"])["rating"].transform("mean")
    assert rmse(matched, rating) < 0.92 * plain
    assert table.groupby("old")["rating"].mean().diff().iat[1] > 0.1
    assert table.groupby("new")["rating"].mean().diff().iat[1] > 0.1


def test_similar_movies_are_known(made):
    vectors, cluster = made.truth.movie_vector, made.truth.movie_cluster
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosine = unit @ unit.T
    np.fill_diagonal(cosine, -1)
    assert np.mean(cluster[cosine.argmax(axis=1)] == cluster) > 0.98
    first_genre = made.log.movies["genres"].str.split("|").str[0]
    assert pd.crosstab(first_genre, cluster).astype(bool).sum().eq(1).all()


def test_people_rate_what_they_like(made):
    users, movies, _ = positions(made)
    everyone, everything = np.divmod(np.arange(400 * 300), 300)
    assert made.truth.level(users, movies).mean() > made.truth.level(everyone, everything).mean() + 0.1


def test_any_size():
    small = generate(users=5, movies=4, ratings=10)
    assert len(small.log) == 10
    assert np.isfinite(small.truth.best_rmse)


@pytest.mark.parametrize("sizes", [{"ratings": 60_001}, {"users": 0}, {"ratings": 0}, {"noise": 0}])
def test_impossible_sizes(sizes):
    with pytest.raises(DataError, match="cannot draw"):
        generate(**sizes)
