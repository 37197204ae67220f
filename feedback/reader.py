"""Reads of the store that an answer waits for: a store that is slow or down gives nothing, and soon.

A way to a thread and a transaction take longer than the read itself. So the users who are asked for while one read runs
are the next read.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from .experiments import Experiment, running
from .store import Store, StoreDown, Taste

logger = logging.getLogger(__name__)

PATIENCE = 1.0  # seconds
PAUSE = 1.0  # seconds after a failure in which the store is not asked again


class Reader:
    """Reads a store. All calls belong to one event loop."""

    def __init__(self, store: Store, limit: int) -> None:
        """Of ``store``, which others may write; ``limit``: how many of a user's latest ones are read."""
        self._store, self._limit = store, limit
        self._threads = ThreadPoolExecutor(2, "reader")
        self._down_until = 0.0
        self._next: dict[str, asyncio.Future[list[Taste]]] = {}  # by user: who waits for the next read
        self._reading: asyncio.Task[None] | None = None

    async def tastes_of(self, user_id: str) -> list[Taste]:
        """The user's latest events but clicks, the oldest first; none where the store does not answer in time."""
        if not self._limit or time.monotonic() < self._down_until:
            return []
        found = self._next.get(user_id)
        if found is None:
            found = self._next[user_id] = asyncio.get_running_loop().create_future()
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_groups())
        return await asyncio.shield(found)  # others may wait for it too

    async def experiments(self) -> dict[str, Experiment] | None:
        """The experiments that run, by their model; None where the store does not answer in time."""
        return await self._read(lambda: running(self._store), "experiments")

    def stop(self) -> None:
        """End the threads."""
        self._threads.shutdown(cancel_futures=True)

    async def _read_groups(self) -> None:
        while self._next:
            group, self._next = self._next, {}
            read = await self._read(partial(self._store.tastes_of_each, list(group), self._limit), "events of users")
            for user_id, found in group.items():
                found.set_result((read or {}).get(user_id, []))
        self._reading = None

    async def _read(self, work: Callable[[], Any], what: str) -> Any:
        """What ``work`` returns; None where it fails, takes too long, or failed a moment ago."""
        if time.monotonic() < self._down_until:
            return None
        loop = asyncio.get_running_loop()
        try:
            return await asyncio.wait_for(loop.run_in_executor(self._threads, work), PATIENCE)
        except (StoreDown, TimeoutError) as error:
            logger.warning("%s cannot be read: %s", what, str(error) or "it takes too long")
        except Exception:  # an answer must not fail for want of these
            logger.exception("%s cannot be read", what)
        self._down_until = time.monotonic() + PAUSE
        return None
