"""``python -m web forget USER``: delete a person from the store, and say where else something of them is."""

from __future__ import annotations

from collections.abc import AsyncIterator

from feedback.store import Store

from .problems import Problem
from .settings import Settings
from .torchserve import TorchServe

WHAT_REMAINS = (
    "The next training learns again what is in the ratings file. Remove the user's rows there, then train, roll out "
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
    for model in settings.models:
        yield await _in_archive(model, user, torchserve)
    yield WHAT_REMAINS


async def _in_archive(model: str, user: str, torchserve: TorchServe) -> str:
    try:
        answer = await torchserve.history(model, user)
    except Problem as problem:
        return f"{model}: not known what its archive has of this user. {problem}"
    if answer.status == 404:
        return f"{model} {answer.version}: its archive does not know this user."
    rated = len(answer.json()["history"])
    return f"{model} {answer.version}: its archive has {rated} ratings of this user, until a new version replaces it."
