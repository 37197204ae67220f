"""A store that is slow or down costs an answer little, and gives nothing."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest

from feedback import reader as module
from feedback.reader import Reader
from feedback.store import Event, StoreDown
from tests.feedback.conftest import event


class Pretended:
    """In the store's place. ``gate`` is closed where it is slow; ``error`` is raised where it is down."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.error: Exception | None = None
        self.asked = 0

    def events_of(self, user_id: str, limit: int) -> list[Event]:
        self.asked += 1
        self.gate.wait(5)
        if self.error:
            raise self.error
        return [event(user_id, str(number)) for number in range(limit)]


def read(store: Pretended, *pauses: float) -> list[int]:
    """How many events each of several reads gives, with pauses between them."""

    async def main() -> list[int]:
        reader: Any = Reader(store)  # type: ignore[arg-type]
        counts = [len(await reader.events_of("196", 2))]
        for pause in pauses:
            await asyncio.sleep(pause)
            counts.append(len(await reader.events_of("196", 2)))
        store.gate.set()
        reader.stop()
        return counts

    return asyncio.run(main())


def test_events_are_read() -> None:
    assert read(Pretended(), 0) == [2, 2]


@pytest.mark.parametrize("error", [StoreDown("no disk"), ValueError("a fault of ours")])
def test_a_store_that_is_down_is_asked_again_after_a_pause(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE", 0.2)
    store = Pretended()
    store.error = error
    assert read(store, 0, 0, 0.3) == [0, 0, 0, 0]
    assert store.asked == 2


def test_a_store_that_is_slow_is_not_waited_for() -> None:
    store = Pretended()
    store.gate.clear()
    started = time.perf_counter()
    assert read(store, 0, 0) == [0, 0, 0]
    assert time.perf_counter() - started < 3 * module.PATIENCE
    assert store.asked == 1
