"""What browsers may ask, and what they see of a description."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from serving.config import MODELS
from tests.web.conftest import ask


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"user_id": 1, "instances": []}, "instances"),
        ({"catalogue": True}, "catalogue"),
        ({"user_id": 1, "k": 201}, "k"),
        ({"user_id": 1, "k": 0}, "k"),
        ({"user_id": 1, "diversity": 1.5}, "diversity"),
        ({"user_id": 1, "popularity_damping": "0.5"}, "popularity_damping"),
        ({"user_id": 1.5}, "user_id is 1.5: give an id, which is a whole number or a text of 1 to 200 characters"),
        ({"item_id": [1]}, "item_id: give an id"),
        ({"user": {"age": {}}, "k": 3}, "user.age: give a number, a text or an array of texts"),
        ({"user_id": "x" * 201}, "user_id"),
        ({"ratings": [{"movie_id": 1, "stars": 5}]}, "ratings[0].stars is 5: this address takes no such field"),
        ({"ratings": [{"rating": 5}]}, "ratings[0].movie_id (or item_id) is missing"),
        ({"movie_id": 1, "item_id": 1}, "The request: movie_id and item_id both say which movie: give one of them"),
        ({"ratings": [{"movie_id": 1, "item_id": 1}]}, "ratings[0]"),
        ({"user_id": 1, "where": {f"c{one}": 1 for one in range(51)}}, "where"),
        ({"user_id": 1, "where": "Bikes"}, "where"),
        ({"ratings": [{"movie_id": 1, "rating": 1}] * 501}, "ratings"),
        ([], "The request"),
    ],
)
def test_what_a_browser_may_not_ask_goes_no_further(
    gateway: httpx.Client, stand_in: Any, body: Any, named: str
) -> None:
    answer = ask(gateway, body)
    assert answer.status_code == 400
    assert answer.json()["type"] == "InvalidRequest"
    assert named in answer.json()["message"]
    assert stand_in.asked == []


@pytest.mark.parametrize("body", ['{"ratings":[{"movie_id":1,"rating":NaN}]}', "{", "", "\xff"])
def test_what_is_no_json_goes_no_further(gateway: httpx.Client, stand_in: Any, body: str) -> None:
    headers = {"Content-Type": "application/json"}
    answer = gateway.post("/api/predictions/fm", content=body.encode("latin-1"), headers=headers)
    assert answer.status_code == 400
    assert 'is ""' not in answer.json()["message"]  # which was not sent
    assert stand_in.asked == []


def test_a_card_holds_only_what_a_browser_may_know(gateway: httpx.Client) -> None:
    cards = gateway.get("/api/models").json()["models"]
    assert [card["name"] for card in cards] == list(MODELS)
    assert cards[1]["metrics"]["test"]["rmse"] == 0.9
    assert not {"limits", "some_users"} & cards[1].keys()
