"""Which answers are lists, and what is kept of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from web.impressions import impression_of, is_list
from web.schema import Ask
from web.torchserve import Answer


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        ({"user_id": 196}, True),
        ({"user_id": 196, "ratings": [{"movie_id": 1}], "k": 3}, True),
        ({"user": {"age": 25}}, True),
        ({"movie_id": 50}, True),
        ({"k": 10, "recent_days": 7}, True),
        ({"user_id": 196, "movie_id": 50}, False),
        ({"ratings": [{"movie_id": 1}], "movie_id": 50}, False),
        ({"user": {"age": 25}, "movie_id": 50}, False),
        ({"user_id": 196, "history": True}, False),
    ],
)
def test_lists_are_what_has_no_score_and_no_history(ask: dict[str, Any], expected: bool) -> None:
    assert is_list(Ask(**ask)) == expected


@pytest.mark.parametrize("field", ["recommendations", "similar"])
def test_movies_are_kept_in_the_order_of_their_positions(field: str) -> None:
    body = {field: [{"movie_id": movie, "score": 1.0} for movie in ("b", "a")]}
    shown = impression_of("fm", Ask(user_id=196), Answer(200, json.dumps(body).encode(), "1.1", 0.1), None, 7)
    assert shown == ("196", None, "fm", "1.1", 7, ["b", "a"], None, None, [])


def test_what_comes_from_exploration_is_kept_as_such() -> None:
    entries = [{"movie_id": 1}, {"movie_id": 2, "explored": True}, {"movie_id": 3}, {"movie_id": 4, "explored": True}]
    answer = Answer(200, json.dumps({"recommendations": entries}).encode(), "1.1", 0.1)
    assert impression_of("fm", Ask(k=4, explore=0.5), answer, None, 7).explored == [1, 3]
