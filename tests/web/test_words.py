"""A shop's model behind the gateway: both words are understood, and its own word comes back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.web.conftest import ask, asking
from web.settings import Settings


@pytest.fixture(scope="module")
def shop(running: Any, of_shop: httpx.MockTransport) -> Iterator[httpx.Client]:
    with running(Settings(models=("mf",)), of_shop) as address, asking(address) as client:
        yield client


def test_both_words_get_the_same_answer(shop: httpx.Client) -> None:
    item = shop.get("/api/movies/mf").json()["movies"][4]["item_id"]
    answers = [ask(shop, {name: item, "k": 3}, "mf").json() for name in ("item_id", "movie_id")]
    assert answers[0] == answers[1]
    assert answers[0]["item_id"] == item


def test_conditions_go_through_and_are_explained(shop: httpx.Client) -> None:
    item = shop.get("/api/movies/mf").json()["movies"][4]["item_id"]
    similar = ask(shop, {"item_id": item, "where": {"category": ["Boots"], "price": {"max": 500}}}, "mf").json()
    assert similar["similar"]
    assert {entry["attributes"]["category"] for entry in similar["similar"]} == {"Boots"}
    refused = ask(shop, {"item_id": item, "where": {"price": "cheap"}}, "mf")
    assert refused.status_code == 400
    assert "where.price" in refused.json()["message"]


def test_events_have_either_word_and_come_back_in_the_logs(shop: httpx.Client) -> None:
    item = shop.get("/api/movies/mf").json()["movies"][4]["item_id"]
    user = shop.post("/api/visitors", json={"name": "Anna"}).json()["user_id"]
    events = [{"user_id": user, name: item, "type": "click"} for name in ("item_id", "movie_id")]
    assert shop.post("/api/feedback", json={"events": events}).json() == {"stored": 2, "repeated": 0}
    known = shop.post("/api/visitors", json={"name": "Anna"}).json()["events"]
    assert [event["item_id"] for event in known] == [item, item]
    deleted = shop.post("/api/visitors/forget", json={"name": "Anna", "item_id": item}).json()
    assert deleted["events"] == 2
    wrong = shop.post("/api/feedback", json={"events": [{"user_id": user, "item_id": 5, "type": "click"}]})
    assert "events[0].item_id is the number 5" in wrong.json()["message"]


def test_the_card_has_the_words_and_the_columns(shop: httpx.Client) -> None:
    (card,) = shop.get("/api/models").json()["models"]
    assert card["words"] == {"a": "a product", "one": "product", "many": "products"}
    assert card["movies"] == 60
    assert card["columns"]["price"] == "number"


def test_items_are_found_by_their_titles(shop: httpx.Client) -> None:
    first = shop.get("/api/movies/mf").json()["movies"][0]
    found = shop.get("/api/search/mf", params={"q": first["title"], "k": 50}).json()["movies"]
    assert first in found


def test_lists_for_nobody_go_through(shop: httpx.Client) -> None:
    for more, fact in (({}, "ratings"), ({"recent_days": 3000}, "ratings"), ({"newest": True}, "added")):
        entries = ask(shop, {"k": 3, **more}, "mf").json()["recommendations"]
        assert [{"item_id", fact} - entry.keys() for entry in entries] == [set()] * 3
    nothing = ask(shop, {"k": 3, "where": {"category": "Boats"}}, "mf").json()
    assert nothing == {"recommendations": [], "unknown": ["where.category"]}


def test_errors_have_the_word_that_was_given(shop: httpx.Client) -> None:
    wrong = {"user_id": "ann@example.com", "item_id": 1.5, "type": "click"}
    message = shop.post("/api/feedback", json={"events": [wrong]}).json()["message"]
    assert message.startswith("events[0].item_id is 1.5: give an id, which is")


def test_lists_out_of_some_items(shop: httpx.Client) -> None:
    items = [entry["item_id"] for entry in shop.get("/api/movies/mf").json()["movies"][:4]]
    answer = ask(shop, {"user_id": "somebody@example.com", "candidates": items}, "mf").json()
    assert sorted(entry["item_id"] for entry in answer["recommendations"]) == sorted(items)
