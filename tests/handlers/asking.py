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
    """Equal, numbers within 1e-4. In a list, entries that tie within that may have changed places."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for name in one:
            if name in ("recommendations", "similar"):
                assert_same_list(one[name], other[name])
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


def assert_same_list(entries: list[dict[str, Any]], others: list[dict[str, Any]]) -> None:
    """Equal entries whatever their order; a tie across the end of a list may have let in another movie."""
    assert len(entries) == len(others)
    by_movie = [{entry["movie_id"]: entry for entry in listed} for listed in (entries, others)]
    both = by_movie[0].keys() & by_movie[1].keys()
    assert len(both) >= len(entries) - 1
    for movie in both:
        assert_same(by_movie[0][movie], by_movie[1][movie])
