"""The place of a movie that nobody has rated, in planted logs."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from scipy import sparse

from handlers.recommender.model.features import FeatureSchema
from training.config import preset
from training.data import generate
from training.interactions import Interactions, SideData, encode, feature_matrix
from training.rankers import ease, unrated
from training.rankers.unrated import FEATURE_RIDGE, by_features, solved, with_unrated


@pytest.fixture(scope="module")
def everything() -> tuple[Interactions, np.ndarray]:
    """A log, and by row the genre of each movie."""
    made = generate(seed=5, users=400, movies=300, ratings=24_000)
    rows = encode(made.log, True)
    genres = np.zeros(rows.shape[1], int)
    genres[rows.movies.vocabulary.to_rows(made.log.movies["movie_id"].tolist())] = made.truth.movie_cluster
    return rows, genres


def without(rows: Interactions, hidden: np.ndarray) -> Interactions:
    return rows.take(np.flatnonzero(~np.isin(rows.movie_rows, hidden)))


def test_the_solution_is_that_of_a_factorization() -> None:
    rng = np.random.default_rng(0)
    features = sparse.random_array((500, 60), density=0.05, rng=rng)
    matrix = (features.T @ features).tocsr()
    right = rng.standard_normal((60, 3))
    right[:, 1] = 0
    ridges = np.array([0.5, 2.0, 30.0])
    for column, ridge in enumerate(ridges):
        expected = np.linalg.solve(matrix.toarray() + ridge * np.eye(60), right[:, column])
        np.testing.assert_allclose(solved(matrix, right, ridges)[:, column], expected, atol=1e-6)
        np.testing.assert_allclose(solved(matrix, right, ridge)[:, column], expected, atol=1e-6)


def test_the_prediction_is_that_of_a_dense_ridge_regression(everything) -> None:
    rows, _ = everything
    values = np.random.default_rng(0).standard_normal((rows.shape[1], 4)).astype(np.float32)
    x = feature_matrix(rows.movies).toarray()[1:].astype(float)
    mean = values[1:].mean(axis=0)
    weights = np.linalg.solve(x.T @ x + FEATURE_RIDGE * np.eye(x.shape[1]), x.T @ (values[1:] - mean))
    np.testing.assert_allclose(by_features(rows.movies, values)[1:], mean + x @ weights, atol=1e-5)


def test_few_columns_at_a_time_give_the_same(monkeypatch, everything) -> None:
    movies, calls = everything[0].movies, []
    values = np.random.default_rng(0).standard_normal((len(movies.vocabulary), 5)).astype(np.float32)
    at_once = by_features(movies, values)
    monkeypatch.setattr(unrated, "MOST_NUMBERS", 2 * (len(values) - 1))
    monkeypatch.setattr(unrated, "solved", lambda *given: calls.append(given[1].shape[1]) or solved(*given))
    np.testing.assert_allclose(by_features(movies, values), at_once, atol=1e-6)
    assert calls == [2, 2, 1]


def test_shares_are_the_weights_of_the_regression(everything) -> None:
    """A movie that counts twice is one that is there twice; one that counts nothing is not there."""
    rows, _ = everything
    rng = np.random.default_rng(1)
    values = rng.standard_normal((rows.shape[1], 3)).astype(np.float32)
    shares = rng.integers(0, 3, rows.shape[1]).astype(float)
    x = feature_matrix(rows.movies).toarray()[1:].astype(float)
    again = np.repeat(np.arange(len(x)), shares[1:].astype(int))
    mean = values[1:][again].mean(axis=0)
    ridge = FEATURE_RIDGE * shares[1:].mean() * np.eye(x.shape[1])
    weights = np.linalg.solve(x[again].T @ x[again] + ridge, x[again].T @ (values[1:][again] - mean))
    np.testing.assert_allclose(by_features(rows.movies, values, shares)[1:], mean + x @ weights, atol=1e-5)
    same = [by_features(rows.movies, values, some) for some in (None, np.zeros(rows.shape[1]))]
    np.testing.assert_array_equal(*same)  # where nothing is of late, all count


def test_a_movie_without_ratings_stands_higher_for_those_who_like_its_genre(everything) -> None:
    """Every tenth movie loses its ratings. For who would have rated it, it must stand above the average of these."""
    rows, _ = everything
    hidden = np.arange(1, rows.shape[1], 10)
    known, settings = without(rows, hidden), preset("quick", "fm")
    ranker = ease.fit(known, settings)
    order = ease.order(ranker, known)(np.arange(1, rows.shape[0])).numpy()
    assert (order[:, hidden] != 0).all()
    places = np.argsort(np.argsort(order[:, 1:], axis=1), axis=1) / (rows.shape[1] - 1)  # 1: the best
    held_out = rows.pairs[1:][:, hidden].toarray()
    of_raters = places[:, hidden - 1][held_out].mean()
    of_others = places[:, hidden - 1][~held_out].mean()
    assert of_raters > of_others + 0.05
    assert 0.35 < places[:, hidden - 1].mean() < 0.65  # neither at the end nor in front


def test_the_others_stay_as_they_are_and_without_features_there_is_nothing_to_promise(everything) -> None:
    rows, _ = everything
    known = without(rows, np.array([7]))
    ranker = ease.fit(known, preset("quick", "fm"))
    ids_alone = dataclasses.replace(known, movies=ids_of_movies(known))
    assert with_unrated(ranker, rows) is ranker
    bare = dataclasses.replace(ranker, items=ranker.items * (torch.arange(len(ranker.items)) != 7)[:, None])
    assert with_unrated(bare, ids_alone) is bare
    again = with_unrated(bare, known)
    assert torch.equal(again.items[torch.arange(len(again.items)) != 7], bare.items[torch.arange(len(bare.items)) != 7])
    assert again.items[7].any()
    assert not again.items[0].any()


def ids_of_movies(rows: Interactions) -> SideData:
    nothing = np.zeros((rows.shape[1], 0), np.float32)
    return SideData(rows.movies.vocabulary, FeatureSchema(), nothing.astype(np.int64), nothing)
