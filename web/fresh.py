"""What a user did since the model was trained, put into their requests: a rating changes the next list."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence

from feedback.store import Event
from feedback.tables import LIKES

from .schema import Ask, Rating
from .torchserve import Answer


def with_fresh(ask: Ask, events: Sequence[Event], is_rated: bool) -> Ask:
    """The request with the user's ``events`` as ratings, behind its own, which count more; the latest of each movie.

    ``is_rated``: whether the log has ratings; if not, likes and purchases are likes. Events that the model knows
    already change nothing (docs/contract.md), so nobody has to know when it was trained.
    """
    own = ask.ratings or []
    types = ("rating",) if is_rated else LIKES
    fresh = {event.movie_id: event.rating for event in events if event.type in types}
    for rating in own:
        fresh.pop(str(rating.movie_id), None)
    if not fresh:
        return ask
    ratings = [Rating(movie_id=movie, **({"rating": rating} if is_rated else {})) for movie, rating in fresh.items()]
    return ask.model_copy(update={"ratings": [*own, *ratings]})


def without_names_of_fresh(answer: Answer, own: int) -> Answer:
    """The answer without the names of unknown movies that the user's events brought in, behind ``own`` ratings."""
    if b'"unknown"' not in answer.body:
        return answer
    body = answer.json()
    names = {f"ratings[{place}].{word}" for place in range(own) for word in ("movie_id", "item_id")}
    body["unknown"] = [name for name in body["unknown"] if name in names or not name.startswith("ratings[")]
    if not body["unknown"]:
        del body["unknown"]
    return dataclasses.replace(answer, body=json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode())
