"""Reads of the store that an answer waits for: a store that is slow or down gives nothing, and soon."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from .experiments import Experiment, running
from .store import Event, Store, StoreDown

logger = logging.getLogger(__name__)

PATIENCE = 1.0  # seconds
PAUSE = 1.0  # seconds after a failure in which the store is not asked again


class Reader:
    """Reads a store. All calls belong to one event loop."""

    def __init__(self, store: Store) -> None:
        """Of ``store``, which others may write."""
        self._store = store
        self._threads = ThreadPoolExecutor(2, "reader")
        self._down_until = 0.0

    async def events_of(self, user_id: str, limit: int) -> list[Event]:
        """The user's latest events, the oldest first; none where the store does not answer in time."""
        return await self._read(lambda: self._store.events_of(user_id, limit=limit), "the events of a user") or []

    async def experiments(self) -> dict[str, Experiment] | None:
        """The experiments that run, by their model; None where the store does not answer in time."""
        return await self._read(lambda: running(self._store), "experiments")

    def stop(self) -> None:
        """End the threads."""
        self._threads.shutdown(cancel_futures=True)

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
