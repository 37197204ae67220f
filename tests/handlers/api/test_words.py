"""The contract's two words for an item: a request may use either, an answer uses that of the log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from handlers.recommender.api.limits import Limits
from handlers.recommender.api.service import Service
from handlers.recommender.loading import load_service
from handlers.recommender.model.model import Model

OF_MOVIES: list[dict[str, Any]] = [
    {"user_id": 11, "movie_id": 103},
    {"user_id": 11, "movie_id": "nothing"},
    {"movie_id": 103, "k": 3},
    {"ratings": [{"movie_id": 103, "rating": 5}], "k": 3},
    {"instances": [{"user_id": 11, "movie_id": 103}, {"user_id": 13, "movie_id": 106}]},
    {"instances": [{"user_id": 11, "movie_id": 103}, {"user_id": 13, "k": 1}]},
    {"user_id": 11, "movie": {"genres": "Comedy"}},
    {"movie_id": -1, "k": 3},
]


@pytest.fixture(scope="module", params=["plain", "accelerated"])
def shop(request: pytest.FixtureRequest, shop_build: Path) -> Service:
    if request.param == "accelerated":
        return load_service(shop_build / "mf")
    return Service(Model.load(shop_build / "mf", torch.device("cpu")), Limits())


def in_other_word(request: dict[str, Any]) -> bytes:
    return json.dumps(request).replace("movie_id", "item_id").replace('"movie"', '"item"').encode()


@pytest.mark.parametrize("request_", OF_MOVIES)
def test_a_log_of_movies_answers_both_words_alike(services, request_) -> None:
    service = services["fm"]
    one, other = service.answer([json.dumps(request_).encode(), in_other_word(request_)])
    assert one == other
    assert b"item" not in one.body


def test_a_log_of_items_answers_in_its_word(shop) -> None:
    user, item = shop.model.users.ids[1], shop.model.movies.ids[1]
    other = shop.model.movies.ids[2]
    requests = [
        {"user_id": user, "movie_id": item},
        {"user_id": user, "movie_id": "nothing"},
        {"movie_id": item, "k": 2},
        {"user_id": user, "k": 2, "explain": True},
        {"ratings": [{"movie_id": item, "rating": 3}, {"movie_id": "nothing", "rating": 3}], "k": 2},
        {"user_id": user, "history": True},
        {"catalogue": True, "k": 2},
        {"instances": [{"user_id": user, "movie_id": item}, {"user_id": user, "movie_id": other}]},
    ]
    by_movie = shop.answer([json.dumps(one).encode() for one in requests])
    by_item = shop.answer(list(map(in_other_word, requests)))
    assert by_movie == by_item
    assert [answer.code for answer in by_item] == [200] * len(requests)
    assert not any(b"movie" in answer.body or b"genres" in answer.body for answer in by_item)
    said = [json.loads(answer.body) for answer in by_item]
    assert said[0]["item_id"] == item
    assert said[1]["unknown"] == ["item_id"]
    assert said[4]["unknown"] == ["ratings[1].item_id"]
    assert set(said[6]["catalogue"][0]) == {"item_id", "title", "attributes", "ratings", "x", "y"}


def test_words_may_be_mixed_in_one_body(shop) -> None:
    user, item = shop.model.users.ids[1], shop.model.movies.ids[1]
    pairs = [{"user_id": user, "movie_id": item}, {"user_id": user, "item_id": item}]
    (answer,) = shop.answer([json.dumps({"instances": pairs}).encode()])
    first, second = json.loads(answer.body)["predictions"]
    assert first == second


@pytest.mark.parametrize(
    ("request_", "named"),
    [
        ({"user_id": 11, "movie_id": 103, "item_id": 103}, "movie_id and item_id both say which movie"),
        ({"user_id": 11, "item_id": 103, "item": {"genres": "Drama"}}, "item_id and item both say which movie"),
        ({"ratings": [{"movie_id": 103, "item_id": 103}]}, "ratings[0] is"),
        ({"ratings": [{"rating": 5}]}, "missing required field movie_id (or item_id)"),
        ({"user_id": 11, "history": True, "item_id": 3}, "item_id is 3: a history request does not take it"),
    ],
)
def test_both_words_for_the_same_thing_are_refused(services, request_, named: str) -> None:
    (answer,) = services["fm"].answer([json.dumps(request_).encode()])
    assert answer.code == 400
    assert named in json.loads(answer.body)["message"]


def test_messages_use_the_name_of_an_item(shop) -> None:
    (answer,) = shop.answer([b'{"item_id": "nothing", "k": 3}'])
    expected = 'item_id is "nothing", which is no product that this model knows: check it'
    assert json.loads(answer.body)["message"] == expected


def test_a_description_has_the_words_and_the_columns(shop, services) -> None:
    description = shop.describe()
    assert description["ids"] == {"user_id": "string", "item_id": "string"}
    assert description["items"] == 60
    assert description["words"] == {"a": "a product", "one": "product", "many": "products"}
    kinds = {"category": "category", "price": "number", "stock": "number", "on_sale": "boolean", "labels": "tags"}
    assert description["columns"] == kinds
    of_movies = services["fm"].describe()
    assert of_movies["columns"] == {"year": "number", "genres": "tags"}
    assert "movies" in of_movies
