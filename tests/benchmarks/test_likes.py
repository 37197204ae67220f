"""The benchmark of likes: every contestant can be fitted, and the planted log is what it says."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from benchmarks import crossed, likes
from benchmarks.ablation import Fitted
from training.data import generate, split
from training.interactions import encode

SMALL = {"sweeps": 3, "burn_in": 2, "epochs": 2, "top_epochs": 1, "sample_factors": 3, "n_factors": 8}


@pytest.fixture(scope="module")
def log():
    return generate(seed=3, users=60, movies=40, ratings=1200).log


@pytest.mark.parametrize("name", likes.CONTESTANTS)
def test_every_contestant_is_measured(name: str, log) -> None:
    what = likes.CONTESTANTS[name]
    if isinstance(what, Fitted):
        what = dataclasses.replace(what, settings=dataclasses.replace(what.settings, **SMALL))
    found = what.measure(log, split(log, "random", 0), 0)
    assert found["auc"] > 0.6
    assert found["log_loss"] < np.log(2) + 0.02
    assert 0 <= found["ece"] < 0.3
    assert {"fit_s", "fit_cpu_s"} <= found.keys()


def test_the_columns_of_a_logistic_regression(log) -> None:
    data = encode(log, use_features=True)
    with_features = likes.Logistic(features=True)._columns(data)
    ids = len(data.users.vocabulary) + len(data.movies.vocabulary)
    of_users, of_movies = data.users.schema.size, data.movies.schema.size
    assert with_features.shape == (len(data), ids + of_users + of_movies + of_users * of_movies)
    row = with_features[[0]].toarray()[0]
    assert row[: len(data.users.vocabulary)].nonzero()[0].tolist() == [data.user_rows[0]]
    user, movie = row[ids : ids + of_users], row[ids + of_users : ids + of_users + of_movies]
    assert row[ids + of_users + of_movies :] == pytest.approx(np.outer(user, movie).ravel())


def test_in_the_planted_log_three_features_matter_and_two_do_not() -> None:
    log, parts, probability = crossed.generate(seed=1, users=2000)
    rated = log.ratings.merge(log.users, on="user_id", how="left").merge(log.movies, on="movie_id", how="left")
    like = rated["rating"] > likes.LIKE_ABOVE
    bits = {"female": rated["gender"] == "F", "young": rated["age"] < 40, "comedy": rated["genres"] == "Comedy"}
    for first, second in (("female", "young"), ("female", "comedy"), ("young", "comedy")):
        assert like.groupby([bits[first], bits[second]]).mean().between(0.4, 0.6).all()
    odd = bits["female"] ^ bits["young"] ^ bits["comedy"]
    assert like[odd].mean() > 0.8 > 0.2 > like[~odd].mean()
    assert roc_auc_score(like, probability) > roc_auc_score(like, odd) > 0.8
    users = [set(log.ratings["user_id"].iloc[rows]) for rows in (parts.train, parts.validation, parts.test)]
    assert not users[0] & users[1] | users[0] & users[2] | users[1] & users[2]
    assert [len(group) for group in users] == [1400, 200, 400]
