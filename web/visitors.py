"""People who give the page a name: which user they are, what is known of them, and its deletion.

There are no passwords, so these addresses take names and no user ids: nobody can delete a user of the log by them.
"""

from __future__ import annotations

import asyncio
import dataclasses
import unicodedata
from hashlib import sha256
from typing import Any

from fastapi import APIRouter

from feedback.store import StoreDown

from .archived import archived
from .feedback import text_of
from .gateway import Gateway, GatewayDep
from .problems import InvalidRequest, StoreUnavailable
from .schema import Forget, Visitor

routes = APIRouter(prefix="/api/visitors")

MOST_EVENTS = 1000  # shown to whoever asks
_DOWN = "The store of events is down. Try again in a second."


def user_of(name: str, kind: str | None) -> int | str:
    """The user id of a visitor. Upper case and spaces do not matter. ``kind``: what ids are in the log (``text_of``).

    It is none of the log's: a text with a prefix; or, where ids are not texts, a hash below zero that JavaScript's
    numbers hold. Raises InvalidRequest for a name of spaces alone.
    """
    plain = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
    if not plain:
        raise InvalidRequest("name is empty: give at least one letter.")
    text = f"visitor:{plain}"
    if kind == "string":
        return text
    return -1 - (int.from_bytes(sha256(text.encode()).digest()[:8], "big") >> 12)


@routes.post("")
async def known(gateway: GatewayDep, visitor: Visitor) -> dict[str, Any]:
    """A visitor's user id, their latest events, how many lists they were shown, and what the archives have of them."""
    card = await gateway.catalogues.any_card()
    user = user_of(visitor.name, card.ids.get("user_id"))
    try:
        events, impressions = await asyncio.to_thread(gateway.store.known, str(user), MOST_EVENTS)
    except StoreDown as error:
        raise StoreUnavailable(_DOWN) from error
    shown = [
        {
            card.movie_id: int(event.movie_id) if card.ids.get(card.movie_id) == "integer" else event.movie_id,
            "type": event.type,
            "timestamp": event.timestamp,
        }
        | ({} if event.rating is None else {"rating": event.rating})
        for event in events
    ]
    return {"user_id": user, "events": shown, "impressions": impressions, "archives": await _archived(gateway, user)}


@routes.post("/forget")
async def forget(gateway: GatewayDep, asked: Forget) -> dict[str, Any]:
    """Delete all of a visitor, or their events about one movie; how much it was, and what the archives still have."""
    card = await gateway.catalogues.any_card()
    user = user_of(asked.name, card.ids.get("user_id"))
    kind = card.ids.get(card.movie_id)
    movie = None if asked.movie_id is None else text_of(asked.movie_id, kind, card.movie_id)
    try:
        deleted = await gateway.writer.forget(str(user), movie)
    except StoreDown as error:
        raise StoreUnavailable(f"Nothing was deleted. {_DOWN}") from error
    return deleted._asdict() | {"archives": await _archived(gateway, user)}


async def _archived(gateway: Gateway, user: int | str) -> list[dict[str, Any]]:
    return [dataclasses.asdict(one) for one in await archived(str(user), gateway.torchserve)]
