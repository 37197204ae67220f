"""A log of likes fitted by alternating least squares: its scores as probabilities."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from tests.training.fits import fitted, quick
from training.data import RatingsLog
from training.errors import SettingsError
from training.estimators import ESTIMATORS
from training.evaluate import evaluate
from training.fitting.losses import DivergedError
from training.fitting.methods import ADAM, ALS
from training.interactions import encode


@pytest.fixture(scope="module")
def segments() -> RatingsLog:
    """Each user belongs to one of four segments and each item to one of four groups; four of five likes are in the own
    group. Few likes a user, so that the segment says more than the history."""
    rng = np.random.default_rng(0)
    users = pd.DataFrame({"user_id": np.arange(1, 2001), "segment": rng.choice(list("abcd"), 2000)})
    movies = pd.DataFrame({"movie_id": np.arange(1, 201), "genres": rng.choice(list("abcd"), 200)})
    movies = movies.assign(title=movies.movie_id.astype("string"), genres=movies.genres.astype("string"), year=2000)
    movies["year"] = movies.year.astype("Int64")
    of_group = {group: movies.movie_id[movies.genres == group].to_numpy() for group in "abcd"}
    rows = []
    for user, segment in users.itertuples(index=False):
        own = rng.random(4) < 0.8
        liked = np.where(own, rng.choice(of_group[segment], 4), rng.choice(movies.movie_id, 4))
        rows += [(user, movie) for movie in np.unique(liked)]
    ratings = pd.DataFrame(rows, columns=["user_id", "movie_id"])
    return RatingsLog(
        "segments", ratings, users=users, movies=movies, user_features=("segment",), movie_features=("genres",)
    )


def halves(log: RatingsLog) -> tuple[np.ndarray, np.ndarray]:
    order = np.random.default_rng(1).permutation(len(log))
    return np.sort(order[: len(log) // 4 * 3]), np.sort(order[len(log) // 4 * 3 :])


def metrics_of(model: str, log: RatingsLog, **settings) -> dict:
    train, test = halves(log)
    estimator = fitted(model, log, quick(model, "like", **settings), train)
    return evaluate(estimator, encode(log, estimator.uses_features).take(test))


def test_side_features_find_most_of_what_segments_are_worth(segments) -> None:
    """Within the own group all items are alike, so an oracle that knows the rule has an AUC that can be computed."""
    shares = 0.8 + 0.2 / 4, 1 / 4  # of likes, and of movies drawn at random, that are in the own group
    oracle = shares[0] * (1 - shares[1]) + 0.5 * (shares[0] * shares[1] + (1 - shares[0]) * (1 - shares[1]))
    found = {model: metrics_of(model, segments)["auc"] for model in ("mf", "fm")}
    assert found["fm"] - 0.5 > 0.9 * (oracle - 0.5)
    assert found["fm"] > found["mf"] + 0.02


def test_probabilities_are_calibrated_and_beat_gradient_descent(segments) -> None:
    by_als, by_adam = (metrics_of("fm", segments, method=method) for method in ("als", "adam"))
    assert by_als["log_loss"] < by_adam["log_loss"]


def test_weights_count_where_they_say_more_than_likes_do(segments) -> None:
    """Likes of the own group weigh 9 and three times as many others, which are noise, weigh 1."""
    rng = np.random.default_rng(3)
    noise = pd.DataFrame(
        {"user_id": rng.integers(1, 2001, 3 * len(segments)), "movie_id": rng.integers(1, 201, 3 * len(segments))}
    )
    rows = pd.concat([segments.ratings.assign(weight=9.0), noise.assign(weight=1.0)]).drop_duplicates(
        ["user_id", "movie_id"]
    )
    log = dataclasses.replace(segments, ratings=rows.astype({"weight": "float32"}).reset_index(drop=True))
    train, test = halves(log)
    clean = test[log.ratings["weight"].to_numpy()[test] > 1]
    auc = {}
    for powers in ((0.0,), (1.0,), (0.0, 0.5, 1.0)):
        estimator = fitted("fm", log, quick("fm", "like", weight_powers=powers), train)
        auc[powers] = evaluate(estimator, encode(log, True).take(clean))["auc"]
    assert auc[1.0,] > auc[0.0,] + 0.02
    assert auc[0.0, 0.5, 1.0] > auc[0.0,] + 0.02


def test_movies_that_nobody_likes_score_below_the_average(log_and_truth, many_unrated) -> None:
    likes = dataclasses.replace(many_unrated, ratings=many_unrated.ratings.drop(columns="rating"))
    estimator = fitted("mf", likes, quick("mf", "like"), np.arange(len(likes)))
    users = np.unique(estimator.train.user_rows)
    rated = len(log_and_truth[0].movies)
    scores = [estimator.raw_scores(users, np.full(len(users), movie)).mean() for movie in range(1, rated + 100)]
    assert max(scores[rated:]) < np.mean(scores[:rated])


def test_where_there_are_ratings_gradient_descent_learns_from_their_dislikes(segments, log_and_truth) -> None:
    for log, method in ((segments, ALS), (log_and_truth[0], ADAM)):
        assert ESTIMATORS["mf"](quick("mf", "like")).method(encode(log, False)) is method


def test_ratings_are_refused(log_and_truth, parts) -> None:
    with pytest.raises(SettingsError, match="--method gibbs"):
        fitted("mf", log_and_truth[0], quick("mf", method="als"), parts[0])


def pairs(users: list[int], movies: list[int]) -> RatingsLog:
    return RatingsLog("pairs", pd.DataFrame({"user_id": users, "movie_id": movies}))


@pytest.mark.parametrize(
    "log",
    [pairs([1], [1]), pairs([1, 2], [1, 2]), pairs([1] * 30, list(range(1, 31))), pairs(list(range(1, 31)), [1] * 30)],
    ids=["one like", "two likes", "one user", "one movie"],
)
def test_of_hardly_any_likes_nothing_is_certain(log: RatingsLog) -> None:
    estimator = fitted("mf", log, quick("mf", "like"), np.arange(len(log)))
    probabilities = estimator.predict(log.ratings["user_id"], log.ratings["movie_id"])
    assert ((probabilities > 0.01) & (probabilities < 0.99)).all()


def test_a_regularization_that_rounding_loses_is_refused() -> None:
    everything = pairs(*(axis.ravel().tolist() for axis in np.mgrid[1:21, 1:16]))
    with pytest.raises(DivergedError, match="--regularizations 1e-12 is too little"):
        fitted("mf", everything, quick("mf", "like", regularizations=(1e-12,)), np.arange(len(everything)))
