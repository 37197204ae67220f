"""``python -m web forget USER``: delete a person from the store, and say where else something of them is."""

from __future__ import annotations

from collections.abc import AsyncIterator

from feedback.store import Store

from .archived import Archived, archived
from .settings import Settings
from .torchserve import TorchServe

WHAT_REMAINS = (
    "The next training learns again what is in the log's file. Remove the user's rows there, then train, roll out "
    "and delete the old archives: docs/security.md, Personal data."
)


async def forget(user: str, settings: Settings, torchserve: TorchServe) -> AsyncIterator[str]:
    """Delete every row of a user. Yields lines for whoever has asked for it.

    Raises StoreDown where the store cannot be written.
    """
    store = Store(settings.events_url)
    deleted = store.forget(user)
    store.close()
    yield f"Deleted of user {user}: {deleted.events} events, {deleted.impressions} lists that were shown."
    for one in await archived(user, torchserve):
        yield _said(one)
    yield WHAT_REMAINS


def _said(of: Archived) -> str:
    if of.problem:
        return f"{of.model}: not known what its archive has of this user. {of.problem}"
    if not of.ratings:
        return f"{of.model} {of.version}: its archive does not know this user."
    return f"{of.model} {of.version}: its archive has {of.ratings} rows of this user, until a new version replaces it."
