"""Side features of movies in the list ranker, in a planted log whose movies have few ratings each."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from training.config import preset
from training.data import RatingsLog, split
from training.interactions import Interactions, encode, feature_matrix
from training.rankers import ease, weighted
from training.rankers.described import rows_of_features

SETTINGS = dataclasses.replace(
    preset("quick", "fm", "like"),
    list_ridges=(100.0,),
    list_dampings=(0.0,),
    list_factors=(32,),
    list_strengths=(1.0,),
    list_feature_weights=(0.0, 2.0),
)
GROUPS, USERS, MOVIES = 8, 1_200, 1_200


@pytest.fixture(scope="module")
def log() -> RatingsLog:
    """A user likes one group, and four of five choices are of it; most movies have about six likes."""
    rng = np.random.default_rng(2)
    group = rng.integers(0, GROUPS, MOVIES)
    rows = set()
    for user in range(USERS):
        own = np.flatnonzero(group == user % GROUPS)
        rows |= {(user, int(rng.choice(own) if rng.random() < 0.8 else rng.integers(MOVIES))) for _ in range(6)}
    movies = pd.DataFrame({"movie_id": range(MOVIES), "title": "", "year": pd.array([pd.NA] * MOVIES, "Int64")})
    movies = movies.assign(genres="", group=[f"g{one}" for one in group]).astype({"title": "str", "genres": "str"})
    table = pd.DataFrame(sorted(rows), columns=["user_id", "movie_id"])
    return RatingsLog("planted", table, movies=movies.astype({"group": "str"}), movie_features=("group",))


def share_of_own(rows: Interactions, log: RatingsLog, settings: object) -> float:
    """The part of the first ten movies of lists that is of the user's group."""
    ranker = ease.fit(rows, settings)
    numbers = ease.order(ranker, rows)(np.arange(1, USERS + 1)).numpy()
    numbers[:, 0] = -np.inf
    first = np.argsort(-numbers, axis=1)[:, :10] - 1
    group = log.movies["group"].str[1:].astype(int).to_numpy()
    return float((group[first] == (np.arange(USERS) % GROUPS)[:, None]).mean())


def test_each_value_is_a_user_who_has_rated_what_has_it(log: RatingsLog) -> None:
    movies = encode(log, True).movies
    kept = np.arange(1, MOVIES + 1)
    gram = (rows_of_features(movies, kept, 3.0).T @ rows_of_features(movies, kept, 3.0)).toarray()
    group = log.movies["group"].to_numpy()
    np.testing.assert_allclose(gram, 3.0 * (group[:, None] == group), rtol=1e-6)


def test_a_missing_value_is_no_value(log: RatingsLog) -> None:
    without = dataclasses.replace(log, movies=log.movies.assign(group="").astype({"group": "str"}))
    movies = encode(without, True).movies
    assert feature_matrix(movies).nnz
    assert rows_of_features(movies, np.arange(1, MOVIES + 1), 3.0).nnz == 0


def test_validation_rows_find_that_features_help(log: RatingsLog) -> None:
    everything = encode(log, True)
    train, validation, _ = split(log, "random", 0).take(everything)
    chosen, lists = weighted.choose(train, validation, SETTINGS)
    assert chosen.list_feature_weights == (2.0,)
    assert lists["ndcg@10"] > 0
    plain = dataclasses.replace(SETTINGS, list_feature_weights=(0.0,))
    assert share_of_own(train, log, chosen) > share_of_own(train, log, plain) + 0.1


def test_similar_movies_share_the_feature_and_no_cosine_is_above_one(log: RatingsLog) -> None:
    rows = encode(log, True)
    table = ease.fit(rows, dataclasses.replace(SETTINGS, list_feature_weights=(2.0,))).item_similarity[1:]
    cosines = (table @ table.t()).numpy()
    assert cosines.max() <= 1 + 1e-5
    np.fill_diagonal(cosines, -1)
    group = log.movies["group"].to_numpy()
    assert (group[cosines.argmax(axis=1)] == group).mean() > 0.9


def test_a_model_of_ids_alone_tries_nothing(log: RatingsLog) -> None:
    train, validation, _ = split(log, "random", 0).take(encode(log, False))
    assert weighted.choose(train, validation, SETTINGS)[0].list_feature_weights == (0.0, 2.0)
    assert not weighted.several(train, SETTINGS)
