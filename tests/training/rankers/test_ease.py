"""The list ranker, against the dense regression that it is cut from, and on logs whose answer is planted."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

from training.config import preset
from training.data import RatingsLog, generate
from training.interactions import Interactions, encode
from training.metrics.ranking import measure
from training.rankers import ease

SETTINGS = dataclasses.replace(
    preset("quick", "mf"),
    list_ridges=(20.0,),
    list_dampings=(0.0,),
    list_factors=(8,),
    list_half_lives=(0.0,),
    list_strengths=(1.0,),
)


@pytest.fixture(scope="module")
def log() -> RatingsLog:
    return generate(seed=5, users=200, movies=60, ratings=4000).log


def weighted(interactions: Interactions) -> np.ndarray:
    """A [users, movies]: what each rating weighs, times the root of the weight of its user."""
    rated = np.zeros(interactions.shape)
    middle, half = interactions.ratings.mean(), np.ptp(interactions.ratings) / 2
    rated[interactions.user_rows, interactions.movie_rows] = 1 + 0.5 * (interactions.ratings - middle) / half
    sizes = (rated != 0).sum(axis=1)[1:]
    return rated[1:, 1:] * ((sizes / sizes.mean()) ** -0.25)[:, None]


def dense_weights(interactions: Interactions, ridge: float) -> np.ndarray:
    """Each movie regressed on the others one by one, by least squares with the ridge as further rows."""
    rated = weighted(interactions)
    own = (rated**2).sum(axis=0)
    ridges = np.sqrt(ridge * (own / own.mean()) ** 0.5)
    weights = np.zeros((rated.shape[1],) * 2)
    for movie in range(len(weights)):
        others = np.arange(len(weights)) != movie
        inputs = np.concatenate([rated[:, others], np.diag(ridges[others])])
        target = np.concatenate([rated[:, movie], np.zeros(others.sum())])
        weights[others, movie] = np.linalg.lstsq(inputs, target)[0]
    return weights


def test_at_full_width_it_is_the_regression_of_each_movie_on_the_others(log) -> None:
    interactions = encode(log, False)
    settings = dataclasses.replace(SETTINGS, list_factors=(60,))
    ranker = ease.fit(interactions, settings)
    product = (ranker.inputs @ ranker.items.t()).numpy()[1:, 1:]
    assert product == pytest.approx(dense_weights(interactions, 20.0), abs=1e-4)


@pytest.mark.parametrize("ridge", [1e-2, 1e-9])
def test_a_ridge_of_nearly_nothing_leaves_weights_finite(log, ridge: float) -> None:
    interactions = encode(log, False)
    regression = ease.Regression(interactions, SETTINGS)
    ranker = regression.ranker(ridge, 0.0, 60)
    assert np.isfinite(ranker.inputs.numpy()).all()
    assert np.isfinite(ranker.items.numpy()).all()


def test_the_cut_changes_what_is_said_of_the_users_least(log) -> None:
    """No other matrix of that rank is closer, for the users of the log: the error is the rest of the spectrum."""
    interactions = encode(log, False)
    regression = ease.Regression(interactions, SETTINGS)
    full, cut = (
        (ranker.inputs @ ranker.items.t()).numpy()[1:, 1:].astype(float)
        for ranker in (regression.ranker(20.0, 0.0, 60), regression.ranker(20.0, 0.0, 5))
    )
    root = weighted(interactions)
    away = np.square(root @ (full - cut)).sum()
    assert away == pytest.approx(np.square(np.linalg.svd(root @ full)[1][5:]).sum(), rel=1e-3)


def test_at_full_width_movies_are_alike_as_far_as_the_same_people_rate_them(log) -> None:
    interactions = encode(log, False)
    regression = ease.Regression(interactions, SETTINGS)
    alike = regression.ranker(20.0, 0.0, 60).item_similarity.numpy().astype(float)[1:]
    gram = weighted(interactions).T @ weighted(interactions)
    own = np.diag(gram)
    roots = np.sqrt(own + ease.GRAM_SHRINKAGE * own.mean())
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
    interactions = encode(log, False)
    settings = dataclasses.replace(SETTINGS, list_factors=(4,))
    scores = ease.order(ease.fit(interactions, settings), interactions)
    for row in range(1, 41):
        seen = set(interactions.movie_rows[interactions.user_rows == row])
        unseen = [movie for movie in range(1, 21) if movie not in seen]
        kind = (row - 1) % 2
        best = sorted(unseen, key=lambda movie: -scores(np.array([row]))[0][movie])
        wanted = sum((movie - 1) % 2 == kind for movie in unseen)
        assert {(movie - 1) % 2 for movie in best[:wanted]} == {kind}


@pytest.mark.parametrize("likes_only", [False, True])
def test_somebody_without_a_history_gets_what_most_have_rated(log, likes_only: bool) -> None:
    if likes_only:
        log = dataclasses.replace(log, ratings=log.ratings[["user_id", "movie_id"]])
    interactions = encode(log, False)
    settings = dataclasses.replace(SETTINGS, list_factors=(60,))
    scores = ease.order(ease.fit(interactions, settings), interactions)
    good = np.ones(len(interactions)) if likes_only else 1 + (interactions.ratings - interactions.ratings.mean()) / 4
    counts = np.bincount(interactions.movie_rows, good)
    assert scores(np.array([0]))[0] == pytest.approx(counts / 200, abs=1e-5)


def test_side_features_make_a_list_of_their_own() -> None:
    """The taste of an occupation, for somebody who has rated nothing: for users whose ratings were no training rows."""
    interactions = encode(generate(seed=1, users=600, movies=100, ratings=18_000).log, True)
    train = interactions.take(np.flatnonzero(interactions.user_rows % 2 == 0))
    order = ease.order(ease.fit(train, SETTINGS), train.take(np.arange(0)))
    shares = []
    for row in range(1, len(interactions.users.vocabulary), 2):
        chosen = interactions.movie_rows[interactions.user_rows == row]
        of_them, of_nobody = (np.argsort(-order(np.array([who]))[0].numpy(), kind="stable")[:10] for who in (row, 0))
        shares.append((np.isin(of_them, chosen).mean(), np.isin(of_nobody, chosen).mean()))
    described, unknown = np.mean(shares, axis=0)
    assert described > 1.02 * unknown


def test_damping_divides_the_numbers_of_a_movie_by_a_power_of_its_weight(log) -> None:
    regression = ease.Regression(encode(log, False), SETTINGS)
    plain, damped = (
        (ranker.inputs @ ranker.items.t()).numpy()[1:, 1:]
        for ranker in (regression.ranker(20.0, damping, 60) for damping in (0.0, 0.3))
    )
    weight = (weighted(encode(log, False)) ** 2).sum(axis=0)
    assert damped == pytest.approx(plain / (weight / weight.mean()) ** 0.3, abs=1e-4)


def halves(log: RatingsLog) -> tuple[Interactions, Interactions]:
    """Rows to fit rankers to, and rows to choose by."""
    interactions = encode(log, False)
    rows = np.random.default_rng(0).permutation(len(interactions))
    return interactions.take(rows[:3400]), interactions.take(rows[3400:])


def test_validation_rows_choose(log) -> None:
    train, validation = halves(log)
    settings = dataclasses.replace(SETTINGS, list_ridges=(1e6, 20.0), list_dampings=(0.9, 0.0), list_factors=(1, 8))
    names = ("list_ridges", "list_dampings", "list_factors")
    ndcg = {}
    for choice in itertools.product(*(getattr(settings, name) for name in names)):
        chosen = dataclasses.replace(settings, **{name: (value,) for name, value in zip(names, choice, strict=True)})
        ndcg[choice] = measure(ease.order(ease.fit(train, chosen), train), train, validation)["ndcg@10"]
    chosen, lists = ease.choose(train, validation, settings)
    best = tuple(value for name in names for value in getattr(chosen, name))
    assert best == max(ndcg, key=ndcg.__getitem__)
    assert ndcg[best] > 1.01 * max(value for choice, value in ndcg.items() if choice != best)
    assert lists["ndcg@10"] == pytest.approx(ndcg[best])
    assert ease.choose(train, validation, chosen) == (chosen, {})  # there is no choice


def test_of_lists_that_are_about_as_good_the_fewest_factors_are_chosen(log, monkeypatch) -> None:
    interactions = encode(log, False)
    found = iter([0.2, 0.21, 0.19, 0.199, 0.2])  # of two ridges, then of 4, 8 and 16 factors
    monkeypatch.setattr(ease, "measure", lambda *_: {"ndcg@10": next(found)})
    settings = dataclasses.replace(SETTINGS, list_ridges=(5.0, 20.0), list_factors=(8, 16, 4))
    chosen, lists = ease.choose(interactions, interactions, settings)
    assert (chosen.list_ridges, chosen.list_factors) == ((20.0,), (8,))
    assert lists == {"ndcg@10": 0.199}


def test_more_factors_than_the_log_has_are_no_choice(log) -> None:
    train, validation = halves(log)
    chosen, _ = ease.choose(train, validation, dataclasses.replace(SETTINGS, list_factors=(8, 64, 4096)))
    assert chosen.list_factors == (8,)
    chosen, _ = ease.choose(train, validation, dataclasses.replace(SETTINGS, list_factors=(4096, 64)))
    assert chosen.list_factors == (64,)


def test_as_many_components_take_part_in_choosing_as_factors_are_asked_for(log, monkeypatch) -> None:
    interactions = encode(log, False)
    monkeypatch.setattr(ease, "CHOOSING_COMPONENTS", 2)
    found = iter([0.1, 0.1, 0.2])  # of the one ridge, then of 1 and of 8 factors
    monkeypatch.setattr(ease, "measure", lambda *_: {"ndcg@10": next(found)})
    chosen, _ = ease.choose(interactions, interactions, dataclasses.replace(SETTINGS, list_factors=(1, 8)))
    assert chosen.list_factors == (8,)


@pytest.mark.parametrize(
    ("movies", "ratings", "components"),
    [(1_682, 100_000, 512), (40_981, 810_128, 2_048), (20_000, 5_000_000, 1_000), (59_047, 25_000_095, 512)],
)
def test_a_larger_catalogue_gets_more_components_while_they_are_cheap(movies, ratings, components) -> None:
    assert ease._components(2_048, movies, ratings) == components
    assert ease._components(100, movies, ratings) == 100


def test_every_movie_that_somebody_rated_takes_part(log) -> None:
    interactions = encode(log, False)
    rated = interactions.take(np.flatnonzero(interactions.movie_rows > 5))
    ranker = ease.fit(rated, SETTINGS)
    taking_part = np.flatnonzero(ranker.items.abs().sum(dim=1).numpy())
    assert taking_part.tolist() == np.unique(rated.movie_rows).tolist()


def test_a_truncated_decomposition_orders_nearly_as_the_whole_one() -> None:
    log = generate(seed=3, users=400, movies=300, ratings=12_000).log
    interactions = encode(log, False)
    whole, truncated = (
        ease.order(ease.fit(interactions, dataclasses.replace(SETTINGS, list_components=components)), interactions)
        for components in (300, 60)
    )
    users = np.arange(1, 401)
    first = [np.argsort(-of(users).numpy(), axis=1)[:, :20] for of in (whole, truncated)]
    shared = np.mean([len(np.intersect1d(*lists)) / 20 for lists in zip(*first, strict=True)])
    assert shared > 0.8


def test_the_powers_and_the_slope_are_settings(log) -> None:
    interactions = encode(log, False)
    plain = dataclasses.replace(SETTINGS, list_ridge_power=0.0, list_user_power=0.0, list_rating_slope=0.0)
    regression = ease.Regression(interactions, plain)
    assert regression.weight == (1.0, 0.0)  # every rating is a one
    assert regression.ridge_scale == pytest.approx(1)
    assert regression.gram_diagonal == pytest.approx(np.bincount(interactions.movie_rows)[regression.kept])
    by_user = ease.Regression(interactions, dataclasses.replace(plain, list_user_power=-1.0))
    sizes = np.bincount(interactions.user_rows)[1:]
    # Each user weighs the same: their ratings add up to the mean number of ratings.
    assert by_user.gram_diagonal.sum() == pytest.approx(len(sizes) * sizes.mean(), rel=1e-4)


def test_ratings_that_are_all_the_same_weigh_as_likes_do(log) -> None:
    same = dataclasses.replace(log, ratings=log.ratings.assign(rating=np.float32(1)))
    likes = dataclasses.replace(log, ratings=log.ratings[["user_id", "movie_id"]])
    of_same, of_likes = (ease.fit(data, SETTINGS) for data in (encode(same, False), encode(likes, False)))
    assert of_same.weight == of_likes.weight == (1.0, 0.0)
    assert of_same.items == pytest.approx(of_likes.items)


def test_validation_rows_of_new_users_alone_choose_nothing(log) -> None:
    """As after a cut in time: there is no list to measure."""
    interactions = encode(log, False)
    is_new = interactions.user_rows > 100
    train, validation = (interactions.take(np.flatnonzero(part)) for part in (~is_new, is_new))
    settings = dataclasses.replace(SETTINGS, list_strengths=(1.0, 4.0))
    chosen, lists = ease.choose(train, validation, settings)
    assert chosen.list_strengths == (1.0,)
    assert "ndcg@10" not in lists
