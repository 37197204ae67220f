"""The head that orders lists, against the dense regression that it is cut from, and on logs whose answer is planted."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

from training import lists
from training.config import preset
from training.data import RatingsLog, generate
from training.dataset import Dataset, encode
from training.fitting import rank

SETTINGS = dataclasses.replace(preset("quick", "mf"), list_ridges=(20.0,), list_widths=(8,))


@pytest.fixture(scope="module")
def log() -> RatingsLog:
    return generate(seed=5, users=200, movies=60, ratings=4000).log


def everything(dataset: Dataset) -> np.ndarray:
    return np.arange(len(dataset))


def dense_weights(dataset: Dataset, ridge: float) -> np.ndarray:
    """Each movie regressed on the others one by one, by least squares with the ridge as further rows."""
    rated = np.zeros((len(dataset.users.vocabulary), len(dataset.movies.vocabulary)))
    middle, half = dataset.ratings.mean(), np.ptp(dataset.ratings) / 2
    rated[dataset.user_rows, dataset.movie_rows] = 1 + 0.5 * (dataset.ratings - middle) / half
    rated = rated[1:, 1:]
    sizes = (rated != 0).sum(axis=1)
    root = (sizes / sizes.mean()) ** -0.25  # of the weight of a user
    own = (rated**2 * root[:, None] ** 2).sum(axis=0)
    ridges = np.sqrt(ridge * (own / own.mean()) ** 0.25)
    weights = np.zeros((rated.shape[1],) * 2)
    for movie in range(len(weights)):
        others = np.arange(len(weights)) != movie
        inputs = np.concatenate([rated[:, others] * root[:, None], np.diag(ridges[others])])
        target = np.concatenate([rated[:, movie] * root, np.zeros(others.sum())])
        weights[others, movie] = np.linalg.lstsq(inputs, target)[0]
    return weights


def test_at_full_width_it_is_the_regression_of_each_movie_on_the_others(log) -> None:
    dataset = encode(log, False)
    settings = dataclasses.replace(SETTINGS, list_widths=(60,))
    head = rank.fit(dataset, everything(dataset), settings)
    product = (head.inputs @ head.items.t()).numpy()[1:, 1:]
    assert product == pytest.approx(dense_weights(dataset, 20.0), abs=1e-4)


@pytest.mark.parametrize("ridge", [1e-2, 1e-9])
def test_a_ridge_of_nearly_nothing_leaves_weights_finite(log, ridge: float) -> None:
    dataset = encode(log, False)
    regression = rank._Regression(dataset, everything(dataset), 512)
    head = regression.head(ridge, 60)
    assert np.isfinite(head.inputs.numpy()).all()
    assert np.isfinite(head.items.numpy()).all()


def test_the_cut_changes_what_is_said_of_the_users_least(log) -> None:
    """No other matrix of that rank is closer, for the users of the log: the error is the rest of the spectrum."""
    dataset = encode(log, False)
    regression = rank._Regression(dataset, everything(dataset), 512)
    full, cut = (
        (head.inputs @ head.items.t()).numpy()[1:, 1:].astype(float)
        for head in (regression.head(20.0, 60), regression.head(20.0, 5))
    )
    root = regression.weighted.toarray().astype(float)
    away = np.square(root @ (full - cut)).sum()
    assert away == pytest.approx(np.square(np.linalg.svd(root @ full)[1][5:]).sum(), rel=1e-3)


def test_at_full_width_movies_are_alike_as_far_as_the_same_people_rate_them(log) -> None:
    dataset = encode(log, False)
    regression = rank._Regression(dataset, everything(dataset), 512)
    alike = regression.head(20.0, 60).alike.numpy().astype(float)[1:]
    gram = (regression.weighted.T @ regression.weighted).toarray()
    own = np.diag(gram)
    roots = np.sqrt(own + rank.ALIKE_SHRINKAGE * own.mean())
    assert alike @ alike.T == pytest.approx(gram / np.outer(roots, roots), abs=1e-4)


def test_lists_hold_the_movies_of_the_users_own_kind() -> None:
    """Two kinds of movies and two kinds of people who rate nothing else; each has left out one of theirs."""
    users, movies = np.divmod(np.arange(40 * 20), 20)
    own = (users % 2) == (movies % 2)
    missing = movies == (users * 3 + users % 2) % 20
    missing |= movies == (users + 10) % 20
    rows = own & ~missing
    log = generate(seed=0, users=40, movies=20, ratings=400).log
    ratings = log.ratings.iloc[: rows.sum()].assign(user_id=users[rows], movie_id=movies[rows])
    log = RatingsLog("planted", ratings.astype({"user_id": "int64", "movie_id": "int64"}))
    dataset = encode(log, False)
    settings = dataclasses.replace(SETTINGS, list_widths=(4,))
    scores = rank.order(rank.fit(dataset, everything(dataset), settings), dataset, everything(dataset))
    for row in range(1, 41):
        seen = set(dataset.movie_rows[dataset.user_rows == row])
        unseen = [movie for movie in range(1, 21) if movie not in seen]
        kind = (row - 1) % 2
        best = sorted(unseen, key=lambda movie: -scores(np.array([row]))[0][movie])
        wanted = sum((movie - 1) % 2 == kind for movie in unseen)
        assert {(movie - 1) % 2 for movie in best[:wanted]} == {kind}


@pytest.mark.parametrize("likes_only", [False, True])
def test_somebody_without_a_history_gets_what_most_have_rated(log, likes_only: bool) -> None:
    if likes_only:
        log = dataclasses.replace(log, ratings=log.ratings[["user_id", "movie_id"]])
    dataset = encode(log, False)
    settings = dataclasses.replace(SETTINGS, list_widths=(60,))
    scores = rank.order(rank.fit(dataset, everything(dataset), settings), dataset, everything(dataset))
    good = np.ones(len(dataset)) if likes_only else 1 + (dataset.ratings - dataset.ratings.mean()) / 4
    counts = np.bincount(dataset.movie_rows, good)
    assert scores(np.array([0]))[0] == pytest.approx(counts / 200, abs=1e-5)


def test_side_features_make_a_list_of_their_own(log) -> None:
    """The taste of an occupation, for somebody who has rated nothing."""
    dataset = encode(log, True)
    settings = dataclasses.replace(SETTINGS, list_widths=(60,))
    order = rank.order(rank.fit(dataset, everything(dataset), settings), dataset, np.arange(0))
    shares = []
    for row in range(1, len(dataset.users.vocabulary)):
        seen = dataset.movie_rows[dataset.user_rows == row]
        of_them, of_nobody = (np.argsort(-order(np.array([who]))[0].numpy(), kind="stable")[:10] for who in (row, 0))
        shares.append((np.isin(of_them, seen).mean(), np.isin(of_nobody, seen).mean()))
    described, unknown = np.mean(shares, axis=0)
    assert described > 1.1 * unknown


def test_validation_rows_choose(log) -> None:
    dataset = encode(log, False)
    rows = np.random.default_rng(0).permutation(len(dataset))
    train, validation = rows[:3400], rows[3400:]
    held_out = dataset.take(validation)
    settings = dataclasses.replace(SETTINGS, list_ridges=(1e6, 20.0), list_widths=(1, 8))
    ndcg = {}
    for ridge, width in itertools.product(settings.list_ridges, settings.list_widths):
        one = dataclasses.replace(settings, list_ridges=(ridge,), list_widths=(width,))
        scores = rank.order(rank.fit(dataset, train, one), dataset, train)
        ndcg[ridge, width] = lists.measure(scores, dataset, train, held_out)["ndcg@10"]
    chosen = rank.choose(dataset, train, validation, settings)
    assert (*chosen.list_ridges, *chosen.list_widths) == max(ndcg, key=ndcg.__getitem__)


def test_every_movie_that_somebody_rated_takes_part(log) -> None:
    dataset = encode(log, False)
    rated = everything(dataset)[dataset.movie_rows > 5]
    head = rank.fit(dataset, rated, SETTINGS)
    taking_part = np.flatnonzero(head.items.abs().sum(dim=1).numpy())
    assert taking_part.tolist() == np.unique(dataset.movie_rows[rated]).tolist()


def test_a_truncated_decomposition_orders_nearly_as_the_whole_one() -> None:
    log = generate(seed=3, users=400, movies=300, ratings=12_000).log
    dataset = encode(log, False)
    rows = everything(dataset)
    whole, truncated = (
        rank.order(rank.fit(dataset, rows, dataclasses.replace(SETTINGS, list_rank=some)), dataset, rows)
        for some in (300, 60)
    )
    users = np.arange(1, 401)
    first = [np.argsort(-of(users).numpy(), axis=1)[:, :20] for of in (whole, truncated)]
    shared = np.mean([len(np.intersect1d(one, other)) / 20 for one, other in zip(*first, strict=True)])
    assert shared > 0.8


def test_ratings_that_are_all_the_same_weigh_as_likes_do(log) -> None:
    same = dataclasses.replace(log, ratings=log.ratings.assign(rating=np.float32(1)))
    likes = dataclasses.replace(log, ratings=log.ratings[["user_id", "movie_id"]])
    of_same, of_likes = (
        rank.fit(data, everything(data), SETTINGS) for data in (encode(same, False), encode(likes, False))
    )
    assert of_same.weight == of_likes.weight == (1.0, 0.0)
    assert of_same.items == pytest.approx(of_likes.items)
