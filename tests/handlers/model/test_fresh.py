"""Fresh ratings of a user whom the log knows: what they add, and what they leave as it is."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
import pytest
import torch

from handlers.recommender.api.description import named_users
from handlers.recommender.api.service import Service
from handlers.recommender.model.embeddings import embeddings_of
from tests.conftest import MODELS
from tests.handlers.asking import assert_same, movies, ratings_of, said

USER = 11


def some_movies(planted, count: int = 30) -> list[int]:
    return planted.log.movies["movie_id"].iloc[:count].tolist()


def unrated(planted, user: int, count: int) -> list[int]:
    rated = set(planted.log.ratings["movie_id"][planted.log.ratings["user_id"] == user])
    return [movie for movie in planted.log.movies["movie_id"].tolist() if movie not in rated][:count]


def scores(answer: Callable, model: str, who: dict, wanted: list[int]) -> np.ndarray:
    (body,) = said(answer(model, [{"instances": [who | {"movie_id": movie} for movie in wanted]}]))
    return np.array([one["score"] for one in body["predictions"]])


@pytest.mark.parametrize("model", MODELS)
def test_ratings_that_are_stored_already_change_nothing(model: str, answer, planted) -> None:
    stored, wanted = {"user_id": USER}, some_movies(planted)
    again = stored | {"ratings": ratings_of(planted.log, USER)[:4]}
    assert scores(answer, model, again, wanted) == pytest.approx(scores(answer, model, stored, wanted), abs=1e-3)
    lists = said(answer(model, [stored | {"k": 20}, again | {"k": 20}]))
    assert movies(lists[0]) == movies(lists[1])


@pytest.mark.parametrize("model", MODELS)
def test_a_fresh_rating_moves_the_score_of_its_movie_to_it(model: str, answer, planted) -> None:
    (movie,) = unrated(planted, USER, 1)
    low, stored, high = (
        scores(answer, model, {"user_id": USER} | fresh, [movie])[0]
        for fresh in (
            {"ratings": [{"movie_id": movie, "rating": 1}]},
            {},
            {"ratings": [{"movie_id": movie, "rating": 5}]},
        )
    )
    assert low < stored < high


@pytest.mark.parametrize("model", MODELS)
def test_a_later_rating_replaces_the_stored_one(model: str, answer, planted) -> None:
    """The list is that of somebody new with the whole history and this rating in place of the stored one."""
    history = ratings_of(planted.log, USER)
    other = {"movie_id": history[0]["movie_id"], "rating": 1 if history[0]["rating"] > 3 else 5}
    known = {"user_id": USER, "ratings": [other]}
    new: dict = {"ratings": [other, *history[1:]]}
    if model != "mf":
        people = planted.log.users.set_index("user_id")[list(planted.log.user_features)]
        new["user"] = people.loc[USER].to_dict()
    lists = said(answer(model, [known | {"k": 20}, new | {"k": 20}]))
    assert movies(lists[0]) == movies(lists[1])


@pytest.mark.parametrize("model", MODELS)
def test_what_was_rated_is_left_out_of_lists(model: str, answer, planted) -> None:
    fresh = unrated(planted, USER, 3)
    who = {"user_id": USER, "ratings": [{"movie_id": movie, "rating": 4} for movie in fresh], "k": 1000}
    rated = {one["movie_id"] for one in ratings_of(planted.log, USER)} | set(fresh)
    (without,) = said(answer(model, [who]))
    assert not rated & set(movies(without))
    (everything,) = said(answer(model, [who | {"exclude_seen": False}]))
    assert rated <= set(movies(everything))


@pytest.mark.parametrize("model", MODELS)
def test_reasons_name_fresh_ratings_and_add_up(model: str, answer, planted) -> None:
    (movie,) = unrated(planted, USER, 1)
    who = {"user_id": USER, "ratings": [{"movie_id": movie, "rating": 5}], "k": 1000, "explain": True}
    (body,) = said(answer(model, [who]))
    named = set()
    for entry in body["recommendations"]:
        assert sum(one["share"] for one in entry["because"]) == pytest.approx(entry["personal"], abs=1e-5)
        assert sum(one["share"] for one in entry["rank_because"]) == pytest.approx(entry["rank_score"], abs=1e-5)
        named |= {one.get("movie_id") for one in entry["rank_because"]}
    assert movie in named
    pairs = scores(answer, model, {name: who[name] for name in ("user_id", "ratings")}, movies(body)[:10])
    assert [entry["score"] for entry in body["recommendations"][:10]] == pytest.approx(pairs, abs=1e-4)


@pytest.mark.parametrize("model", MODELS)
def test_an_unknown_user_with_ratings_is_somebody_new(model: str, answer, planted) -> None:
    ratings = {"ratings": ratings_of(planted.log, 13)[:5], "k": 10}
    new, unknown = said(answer(model, [ratings, ratings | {"user_id": 999_999}]))
    assert unknown.pop("unknown") == ["user_id"]
    assert unknown.pop("user_id") == 999_999
    assert_same(unknown, new)
    (refused,) = answer(model, [ratings | {"user_id": 999_999, "on_unknown": "error"}])
    assert refused.code == 404


@pytest.mark.parametrize("model", MODELS)
def test_others_in_the_batch_are_answered_as_alone(model: str, answer, planted) -> None:
    (movie,) = unrated(planted, USER, 1)
    fresh = {"user_id": USER, "ratings": [{"movie_id": movie, "rating": 5}]}
    batch = [{"user_id": USER, "k": 5}, fresh | {"k": 5}, {"user_id": 13, "k": 5}]
    for one, together in zip(batch, said(answer(model, batch))):
        assert_same(together, said(answer(model, [one]))[0])


def test_likes_are_fresh_too(of_likes: Service) -> None:
    user = named_users(of_likes.model, 1)[0]
    (past,) = said(of_likes.answer([msgspec.json.encode({"user_id": user, "history": True})]))
    liked = {one["movie_id"] for one in past["history"]}
    (movie,) = [movie for movie in of_likes.model.movies.ids[1:] if movie not in liked][:1]
    stored = {"user_id": user, "movie_id": movie}
    pair = [stored, stored | {"ratings": [{"movie_id": movie}]}]
    before, after = (one["score"] for one in said(of_likes.answer([msgspec.json.encode(one) for one in pair])))
    assert after > before


def test_scores_are_those_of_the_ridge_regression(answer, services, planted) -> None:
    """Written out for MF with numpy: the trained embedding, and the fresh ratings' residuals from it.

    With the precision ``A`` of all ratings, stored and fresh: ``trained + A^-1 Q_fresh' residuals / noise``.
    """
    model, wanted = services["mf"].model, some_movies(planted)
    fresh = [{"movie_id": movie, "rating": 5.0} for movie in unrated(planted, USER, 4)]
    items, width = model.arrays["item_encodings"].double().numpy(), model.metadata.width
    design = np.column_stack([items[:, :width], np.ones(len(items))])
    row = model.users.row(USER)
    encoding, columns = model.arrays["user_encodings"][row : row + 1], model.features_of(torch.tensor([row]))
    (trained,) = embeddings_of(model.network.encode_users, encoding, *columns, width).double().numpy()
    of_fresh = [model.movies.row(one["movie_id"]) for one in fresh]
    rated = [*model.seen(row).tolist(), *of_fresh]
    precision = model.prior.precision.double().numpy() + design[rated].T @ design[rated] / model.metadata.prior_noise
    mean = float(model.network.mean)
    residuals = 5.0 - (mean + items[of_fresh, -1] + design[of_fresh] @ trained)
    moved = trained + np.linalg.solve(precision, design[of_fresh].T @ residuals) / model.metadata.prior_noise
    rows = [model.movies.row(movie) for movie in wanted]
    expected = (mean + items[rows, -1] + design[rows] @ moved).clip(*model.metadata.scale)
    found = scores(answer, "mf", {"user_id": USER, "ratings": fresh}, wanted)
    assert found == pytest.approx(expected, abs=2e-3)
