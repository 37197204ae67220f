"""Reads of the store that an answer waits for: a store that is slow or down gives nothing, and soon."""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor

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
        if time.monotonic() < self._down_until:
            return []
        loop = asyncio.get_running_loop()
        try:
            asked = loop.run_in_executor(self._threads, lambda: self._store.events_of(user_id, limit=limit))
            return await asyncio.wait_for(asked, PATIENCE)
        except (StoreDown, TimeoutError) as error:
            logger.warning("the events of a user cannot be read: %s", str(error) or "it takes too long")
        except Exception:  # an answer must not fail for want of events
            logger.exception("the events of a user cannot be read")
        self._down_until = time.monotonic() + PAUSE
        return []

    def stop(self) -> None:
        """End the threads."""
        self._threads.shutdown(cancel_futures=True)
