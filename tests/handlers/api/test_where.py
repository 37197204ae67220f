"""Lists narrowed by conditions: the same as lists out of the candidates that meet them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from handlers.recommender.api.service import Service
from handlers.recommender.loading import load_service
from tests.handlers.asking import limited

WHERES: list[dict[str, Any]] = [
    {"category": ["Bikes"]},
    {"category": "Bikes", "price": {"max": 300, "min": 10.5}},
    {"category": ["Boots", "Tents"], "on_sale": True},
    {"on_sale": [True, False]},
    {"stock": {"min": 3}},
    {"stock": [1, 2, 3.5]},
    {"stock": 4},
    {"labels": "red"},
    {"labels": ["blue", "new"], "price": {"min": 100}},
    {"price": {"min": 1e9}},
]


@pytest.fixture(scope="module")
def shop(shop_build: Path) -> Service:
    return load_service(shop_build / "mf")


def ask(service: Service, **request: Any) -> dict[str, Any]:
    (answer,) = service.answer([json.dumps(request).encode()])
    return json.loads(answer.body)


def meets(attributes: dict[str, Any], where: dict[str, Any]) -> bool:
    """Whether what is known of an entry meets all conditions, by loops."""
    for name, condition in where.items():
        values = attributes.get(name, [])
        values = values if isinstance(values, list) else [values]
        if isinstance(condition, dict):
            low, high = condition.get("min", float("-inf")), condition.get("max", float("inf"))
            found = any(low <= value <= high for value in values)
        else:
            wanted = condition if isinstance(condition, list) else [condition]
            found = any(value in wanted for value in values)
        if not found:
            return False
    return True


def meeting(shop: Service, where: dict[str, Any]) -> list[str]:
    catalogue = ask(shop, catalogue=True, k=1000)["catalogue"]
    return [entry["item_id"] for entry in catalogue if meets(entry["attributes"], where)]


@pytest.mark.parametrize("where", WHERES)
@pytest.mark.parametrize(
    "request_", [{}, {"exclude_seen": False, "k": 60}, {"diversity": 0.5, "k": 7}, {"popularity_damping": 0.4}]
)
def test_a_narrowed_list_is_the_list_out_of_what_meets_the_conditions(shop, where, request_) -> None:
    user = shop.model.users.ids[3]
    narrowed = ask(shop, user_id=user, where=where, **request_)
    assert narrowed == ask(shop, user_id=user, candidates=meeting(shop, where), **request_)
    assert all(meets(entry["attributes"], where) for entry in narrowed["recommendations"])


@pytest.mark.parametrize("where", WHERES)
@pytest.mark.parametrize("order", [{}, {"recent_days": 30}, {"newest": True}, {"explore": 0.5, "seed": 3}])
def test_a_list_for_nobody_in_particular_is_narrowed_too(shop, where, order) -> None:
    everything = ask(shop, k=1000, **order)["recommendations"]
    narrowed = ask(shop, k=1000, where=where, **order)
    assert narrowed == ask(shop, k=1000, candidates=meeting(shop, where), **order)
    assert all(meets(one["attributes"], where) for one in narrowed["recommendations"])
    if "explore" not in order:
        assert narrowed["recommendations"] == [one for one in everything if meets(one["attributes"], where)]


@pytest.mark.parametrize("where", WHERES)
def test_similar_items_are_narrowed_too(shop, where) -> None:
    item = shop.model.movies.ids[5]
    expected = ask(shop, item_id=item, candidates=meeting(shop, where), k=60)
    assert ask(shop, item_id=item, where=where, k=60) == expected


def test_conditions_hold_together_with_candidates_and_exclude(shop) -> None:
    bikes = meeting(shop, {"category": "Bikes"})
    others = [item for item in meeting(shop, {}) if item not in bikes]
    entries = ask(
        shop,
        ratings=[{"item_id": others[0], "rating": 4}],
        where={"category": "Bikes"},
        candidates=[*bikes[:3], *others[:3]],
        exclude=bikes[:1],
    )["recommendations"]
    assert sorted(entry["item_id"] for entry in entries) == sorted(bikes[1:3])


def test_genres_are_a_condition(answer, services) -> None:
    user = services["fm"].model.users.ids[2]
    genres = ["Comedy", "Drama"]
    requests = [{"user_id": user, "genres": genres}, {"user_id": user, "where": {"genres": genres}}]
    by_field, by_condition = answer("fm", requests)
    assert by_field.body == by_condition.body
    (years,) = answer("fm", [{"user_id": user, "where": {"year": {"min": 1990}}, "k": 1000}])
    entries = json.loads(years.body)["recommendations"]
    assert entries
    assert all(entry["year"] >= 1990 for entry in entries)


@pytest.mark.parametrize(
    ("where", "named"),
    [
        ({"colour": "red"}, 'where has "colour", which is no column of this model: its columns are category, price,'),
        ({"price": "cheap"}, 'where.price is "cheap": it is a column of kind number, so give a number,'),
        ({"price": True}, "where.price is true: it is a column of kind number"),
        ({"price": {}}, "where.price is {}: give min, max or both"),
        ({"price": {"min": 5, "max": 1}}, "where.price has min 5, which is above max 1"),
        ({"price": {"above": 5}}, 'where.price is {"above":5}: give a text, a number'),
        ({"price": None}, "where.price is null: give a text, a number"),
        ({"category": {"min": 1}}, "it is a column of kind category, so give a text or an array of texts"),
        ({"category": []}, "where.category is []"),
        ({"category": ["Bikes", 5]}, "where.category is"),
        ({"on_sale": "true"}, 'where.on_sale is "true": it is a column of kind boolean, so give true or false'),
        ({"genres": ["Comedy"]}, 'where has "genres", which is no column'),
        ({}, "where is {}"),
        ("Bikes", 'where is "Bikes"'),
    ],
)
def test_what_cannot_be_asked_is_named(shop, where: Any, named: str) -> None:
    refused = ask(shop, user_id=shop.model.users.ids[3], where=where)
    assert refused["code"] == 400
    assert named in refused["message"]


def test_genres_are_refused_by_their_own_name(shop) -> None:
    refused = ask(shop, k=3, genres=["Comedy"])
    assert refused["code"] == 400
    assert refused["message"].startswith('genres is ["Comedy"]: products have no genres here; narrow the list by where')


def test_an_error_does_not_repeat_a_long_name(shop) -> None:
    for condition in (None, 5):
        assert len(ask(shop, k=1, where={"x" * 10_000: condition})["message"]) < 300


def test_a_condition_given_twice_is_refused(shop, answer) -> None:
    body = b'{"user_id": "u1", "where": {"stock": 1, "stock": 2}}'
    (given_twice,) = shop.answer([body])
    assert "stock" in json.loads(given_twice.body)["message"]
    (both,) = answer("fm", [{"user_id": 11, "genres": ["Drama"], "where": {"genres": ["Drama"]}}])
    assert "genres and where.genres" in json.loads(both.body)["message"]


def test_values_that_no_item_has_are_named(shop) -> None:
    user = shop.model.users.ids[3]
    where = {"category": ["Boats", "Bikes"], "labels": "green"}
    assert ask(shop, user_id=user, where={"category": ["Boats", "Bikes"]})["unknown"] == ["where.category[0]"]
    nothing = ask(shop, user_id=user, where=where)
    assert nothing["recommendations"] == []
    assert nothing["unknown"] == ["where.category[0]", "where.labels"]
    refused = ask(shop, user_id=user, where=where, on_unknown="error")
    assert (refused["code"], refused["type"]) == (404, "UnknownId")


def test_too_many_values_are_refused(shop) -> None:
    request = {"user_id": shop.model.users.ids[3], "where": {"stock": [1, 2], "price": [3, 4]}}
    refused = ask(limited(shop, max_ids=3), **request)
    assert (refused["code"], refused["message"]) == (413, "where has 4 values: send at most 3")


def test_what_a_client_repeats_takes_no_memory_beyond_small_masks(shop) -> None:
    masks = shop.model.catalogue.masks
    masks.cache_clear()
    for n in range(3):
        ask(shop, k=1, where={"stock": [float(n), *range(100, 120)]})
        ask(shop, k=1, where={"category": [f"{n}" * 10_000, "Bikes"]})
    assert masks.cache_info().currsize == 1  # that of Bikes, without the long texts


def test_a_list_for_nobody_may_be_empty(shop) -> None:
    for request in ({"where": {"category": "Boats"}}, {"candidates": []}, {"newest": True, "candidates": []}):
        assert ask(shop, k=3, **request)["recommendations"] == []
