"""Between an event loop and the store: events in flight at once share a transaction, and no list waits for it.

A commit waits for the disk, and takes about as long for one event as for a thousand. So what comes in while one
transaction runs (in a thread) is collected, and is the next transaction: group commit.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from .store import Event, Forgotten, Impression, Store, StoreDown

logger = logging.getLogger(__name__)

MOST_WAITING = 20_000  # events
MOST_EVENTS = 5_000  # of one transaction
MOST_IMPRESSIONS = 10_000  # that wait
IMPRESSIONS_EVERY = 0.5  # seconds
PAUSE = 1.0  # seconds after a failure in which the store is not asked again

Batch = tuple[Sequence[Event], "asyncio.Future[int]"]


class Writer:
    """Writes to a store. ``start`` and ``stop`` belong to one event loop, as all other methods do.

    ``dropped`` is told how many impressions were not stored.
    """

    def __init__(self, store: Store, dropped: Callable[[int], None] = lambda count: None) -> None:
        """Of ``store``; nothing is written before ``start``."""
        self._store, self._dropped = store, dropped
        self._thread = ThreadPoolExecutor(1, "store")  # SQLite has one writer at a time
        self._batches: deque[Batch] = deque()
        self._waiting = 0  # events in _batches
        self._impressions: deque[Callable[[], Impression]] = deque()
        self._work, self._stopping = asyncio.Event(), asyncio.Event()
        self._down_until = 0.0
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to write."""
        self._tasks = [asyncio.create_task(self._write_events()), asyncio.create_task(self._write_impressions())]

    async def stop(self) -> None:
        """Write what waits, and close the store."""
        self._stopping.set()
        self._work.set()
        await asyncio.gather(*self._tasks)
        self._thread.shutdown()
        self._store.close()

    async def add(self, events: Sequence[Event]) -> int:
        """Store events, all or none; how many were not there already. When this returns, they are on the disk.

        Raises StoreDown where the store cannot be written, or where too many events wait for it.
        """
        if time.monotonic() < self._down_until:
            raise StoreDown("it failed a moment ago")
        if self._waiting and self._waiting + len(events) > MOST_WAITING:
            raise StoreDown(f"{self._waiting} events wait for it")
        stored: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._batches.append((events, stored))
        self._waiting += len(events)
        self._work.set()
        return await stored

    def show(self, impression: Callable[[], Impression]) -> None:
        """Store what ``impression`` makes, some time soon. Where too many wait, it is dropped."""
        if len(self._impressions) >= MOST_IMPRESSIONS:
            self._dropped(1)
        else:
            self._impressions.append(impression)

    async def forget(self, user_id: str, movie_id: str | None = None) -> Forgotten:
        """Delete what the store has of a user (``Store.forget``), and what waits to be stored. Raises StoreDown."""
        await self._write_waiting_impressions()
        return await self._in_thread(self._store.forget, user_id, movie_id)

    # --- events

    async def _write_events(self) -> None:
        stopping = False
        while not stopping:
            await self._work.wait()
            self._work.clear()
            stopping = self._stopping.is_set()
            while self._batches:
                await self._write_group()

    async def _write_group(self) -> None:
        group = self._next_group()
        batches = [events for events, _ in group]
        try:
            results: list[int | Exception] = list(await self._in_thread(self._store.add_events, batches))
        except StoreDown as error:
            self._down_until = time.monotonic() + PAUSE
            logger.warning("events cannot be stored: %s", error)
            results = [error] * len(group)
        except Exception:
            # The fault of one batch must not be that of the others.
            logger.exception("storing a group of %d batches failed", len(group))
            results = [await self._alone(events) for events in batches]
        for (_, stored), result in zip(group, results, strict=True):
            if stored.done():  # the client has gone
                continue
            if isinstance(result, Exception):
                stored.set_exception(result)
            else:
                stored.set_result(result)

    def _next_group(self) -> list[Batch]:
        group, size = [], 0
        while self._batches and (not group or size + len(self._batches[0][0]) <= MOST_EVENTS):
            batch = self._batches.popleft()
            group.append(batch)
            size += len(batch[0])
        self._waiting -= size
        return group

    async def _alone(self, events: Sequence[Event]) -> int | Exception:
        try:
            (stored,) = await self._in_thread(self._store.add_events, [events])
        except Exception as error:
            return error
        return stored

    # --- impressions

    async def _write_impressions(self) -> None:
        stopping = False
        while not stopping:
            with suppress(TimeoutError):
                stopping = await asyncio.wait_for(self._stopping.wait(), IMPRESSIONS_EVERY)
            await self._write_waiting_impressions()

    async def _write_waiting_impressions(self) -> None:
        waiting, self._impressions = self._impressions, deque()
        if waiting:
            stored = await self._in_thread(self._store_shown, waiting)
            self._dropped(len(waiting) - stored)

    def _store_shown(self, waiting: Iterable[Callable[[], Impression]]) -> int:
        """How many of the impressions were stored. Called in the thread, where making them delays no request."""
        shown = []
        for make in waiting:
            try:
                shown.append(make())
            except Exception:
                logger.exception("an impression could not be made")
        try:
            self._store.add_impressions(shown)
        except Exception as error:
            logger.warning("%d impressions cannot be stored: %s", len(shown), error)
            return 0
        return len(shown)

    async def _in_thread(self, method: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, method, *arguments)
