"""``POST /api/feedback``: what people did, checked, and stored before it is acknowledged."""

from __future__ import annotations

import re
import time
import uuid

from fastapi import APIRouter

from feedback.store import Event, StoreDown

from .gateway import GatewayDep
from .problems import InvalidRequest, StoreUnavailable, TooLarge
from .schema import Card, Feedback
from .schema import Event as GivenEvent
from .settings import Settings

routes = APIRouter()


@routes.post("/api/feedback")
async def feedback(gateway: GatewayDep, given: Feedback) -> dict[str, int]:
    """Store events, all or none of them; how many were new, and how many were there already."""
    card, metrics = await gateway.catalogues.any_card(), gateway.metrics
    events = checked(given.events, card, gateway.settings, int(time.time()))
    gateway.user_limit.take(events)
    try:
        stored = await gateway.writer.add(events)
    except StoreDown as error:
        gateway.user_limit.give_back(events)
        metrics.feedback_failed.inc()
        raise StoreUnavailable("The events were not stored: the store is down. Send them again in a second.") from error
    metrics.events_stored.inc(stored)
    metrics.events_repeated.inc(len(events) - stored)
    return {"stored": stored, "repeated": len(events) - stored}


def checked(given: list[GivenEvent], card: Card, settings: Settings, now: int) -> list[Event]:
    """The events to store. ``card``: of a model of the log that they will belong to; ``now``: seconds since 1970.

    Raises a Problem that names the first field that is wrong.
    """
    if len(given) > settings.max_events:
        raise TooLarge(f"events has {len(given)} entries: send at most {settings.max_events} at once.")
    return [_checked(event, f"events[{place}]", card, settings, now) for place, event in enumerate(given)]


def _checked(event: GivenEvent, name: str, card: Card, settings: Settings, now: int) -> Event:
    user = text_of(event.user_id, card.ids.get("user_id"), f"{name}.user_id")
    movie = text_of(event.movie_id, card.ids.get(card.movie_id), f"{name}.{card.movie_id}")
    _check_rating(event, card.scale, name)
    timestamp = now if event.timestamp is None else event.timestamp
    if timestamp > now + settings.max_skew:
        raise InvalidRequest(
            f"{name}.timestamp is {timestamp}, which is in the future (now is {now}): give seconds since 1970."
        )
    return Event(user, movie, event.type, event.rating, timestamp, now, event.key or uuid.uuid4().hex)


def text_of(raw: int | str, kind: str | None, name: str) -> str:
    """An id as the store has it. ``kind``: what ids are in the log, "integer" or "string"; None where that is not told.

    Raises InvalidRequest for an id of the other kind.
    """
    if kind == "integer" and isinstance(raw, str):
        if not re.fullmatch("-?[0-9]{1,18}", raw):
            raise InvalidRequest(f"{name} is “{raw[:40]}”: ids are integers here, of at most 18 digits.")
        raw = int(raw)
    elif kind == "integer" and abs(raw) >= 10**18:  # training would read a longer one as a text
        raise InvalidRequest(f"{name} is {raw}: ids have at most 18 digits.")
    elif kind == "string" and isinstance(raw, int):
        raise InvalidRequest(f"{name} is the number {raw}: ids are texts here, send “{raw}” if that is one of them.")
    return str(raw)


def _check_rating(event: GivenEvent, scale: tuple[float, float] | None, name: str) -> None:
    if event.type != "rating":
        if event.rating is not None:
            raise InvalidRequest(f"{name}.rating is {event.rating:g}: an event of the type {event.type} has none.")
    elif scale is None:
        raise InvalidRequest(f"{name}.type is rating: this recommender learns from likes, send the type like.")
    elif event.rating is None:
        raise InvalidRequest(f"{name}.rating is missing: give a number from {scale[0]:g} to {scale[1]:g}.")
    elif not scale[0] <= event.rating <= scale[1]:
        raise InvalidRequest(f"{name}.rating is {event.rating:g}: give a number from {scale[0]:g} to {scale[1]:g}.")
