"""What a user did since the model was trained, put into their requests: a rating changes the next list."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from collections.abc import Sequence
from typing import Any

from feedback.store import Taste
from feedback.tables import LIKES

from .impressions import is_list
from .schema import Ask, Rating
from .torchserve import Answer

MOST_EXCLUDED = 1000  # movies that a user's events add to ``exclude``
_PLACE = re.compile(r"(ratings|exclude)\[([0-9]+)\]")  # how an answer names an unknown movie of these fields


def wanted(used: int) -> int:
    """How many of a user's latest events ``with_fresh`` needs, where it may send ``used`` ratings; none for 0."""
    return used and used + MOST_EXCLUDED


def with_fresh(ask: Ask, events: Sequence[Taste], is_rated: bool, used: int, most: int = sys.maxsize) -> Ask:
    """The request with what its user did, the oldest of their ``events`` first; of each movie the latest counts.

    The latest ``used`` movies become ratings, behind the request's own, which count more. The others would take longer
    than they are worth, so a list only leaves them out (``exclude``), as it leaves out what the model has seen.

    ``is_rated``: whether the log has ratings; if not, likes and purchases are likes. ``most``: how many ids a field may
    have. Events that the model knows already change nothing (docs/contract.md), so nobody has to know when it was
    trained.
    """
    own = {str(rating.movie_id) for rating in ask.ratings or ()}
    types = ("rating",) if is_rated else LIKES
    fresh: dict[str, float | None] = {}  # by movie, the newest first
    for event in reversed(events):
        if event.type in types and event.movie_id not in own:
            fresh.setdefault(event.movie_id, event.rating)
    if not fresh:
        return ask
    used = min(used, _room(most, ask.ratings))
    newest, others = list(fresh.items())[:used], list(fresh)[used:]
    ratings = [Rating(movie_id=movie, **({"rating": rating} if is_rated else {})) for movie, rating in newest]
    added: dict[str, Any] = {"ratings": [*(ask.ratings or ()), *reversed(ratings)]} if ratings else {}
    if others and is_list(ask) and ask.exclude_seen is not False:
        added["exclude"] = [*(ask.exclude or ()), *others[: min(MOST_EXCLUDED, _room(most, ask.exclude))]]
    return ask.model_copy(update=added)


def _room(most: int, given: Sequence[Any] | None) -> int:
    return max(0, most - len(given or ()))


def without_names_of_fresh(answer: Answer, ask: Ask) -> Answer:
    """The answer without the names of unknown movies that the user's events brought in, behind those of ``ask``."""
    if b'"unknown"' not in answer.body:
        return answer
    own = {"ratings": len(ask.ratings or ()), "exclude": len(ask.exclude or ())}
    body = answer.json()
    places = [(name, _PLACE.match(name)) for name in body["unknown"]]
    body["unknown"] = [name for name, place in places if place is None or int(place[2]) < own[place[1]]]
    if not body["unknown"]:
        del body["unknown"]
    return dataclasses.replace(answer, body=json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode())
