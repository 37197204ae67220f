"""Asks services, and compares what they answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from handlers.recommender.api.answers import Answer
from handlers.recommender.api.limits import Limits
from handlers.recommender.api.service import Service
from training.data import RatingsLog


def limited(service: Service, **limits: Any) -> Service:
    """The service of the same model with other limits, without what is in fast/."""
    return Service(service.model, msgspec.structs.replace(Limits(), **limits))


def said(answers: Sequence[Answer]) -> list[dict[str, Any]]:
    """The bodies of answers that must not be errors."""
    assert [one.code for one in answers] == [200] * len(answers)
    return [json.loads(one.body) for one in answers]


def movies(body: dict[str, Any]) -> list[Any]:
    """The ids of a list of recommendations."""
    return [entry["movie_id"] for entry in body["recommendations"]]


def ratings_of(log: RatingsLog, user: Any) -> list[dict[str, Any]]:
    """A user's ratings, as a request gives them."""
    mine = log.ratings[log.ratings["user_id"] == user]
    pairs = zip(mine["movie_id"].tolist(), mine["rating"].tolist(), strict=True)
    return [{"movie_id": movie, "rating": rating} for movie, rating in pairs]


def assert_same(one: Any, other: Any) -> None:
    """Equal, numbers within 1e-4; entries whose scores are that close may have changed places."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for name in one:
            if name in ("recommendations", "similar"):
                assert [entry["score"] for entry in one[name]] == pytest.approx(
                    [entry["score"] for entry in other[name]], abs=1e-4
                )
            else:
                assert_same(one[name], other[name])
    elif isinstance(one, float):
        assert one == pytest.approx(other, abs=1e-4)
    elif isinstance(one, list):
        assert len(one) == len(other)
        for left, right in zip(one, other, strict=True):
            assert_same(left, right)
    else:
        assert one == other
