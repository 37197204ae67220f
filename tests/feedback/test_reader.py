"""A store that is slow or down costs an answer little, and gives nothing."""

from __future__ import annotations

import asyncio
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from feedback import reader as module
from feedback.reader import Reader
from feedback.store import StoreDown, Taste


class Pretended:
    """In the store's place. ``gate`` is closed where it is slow; ``error`` is raised where it is down."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.error: Exception | None = None
        self.asked = 0

    def tastes_of_each(self, users: list[str], limit: int) -> dict[str, list[Taste]]:
        self.asked += 1
        self.gate.wait(60)
        if self.error:
            raise self.error
        return {user: [Taste(f"of {user}", "like", None)] * limit for user in users}


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that stands still, and readers that wait as long as a busy machine needs."""
    clock = [0.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(module, "PATIENCE", 60)
    return clock


def read(store: Pretended, now: list[float], *pauses: float) -> list[int]:
    """How many events each of several reads gives, with pauses between them."""

    async def main() -> list[int]:
        reader: Any = Reader(store, 2)  # type: ignore[arg-type]
        counts = [len(await reader.tastes_of("196"))]
        for pause in pauses:
            now[0] += pause
            counts.append(len(await reader.tastes_of("196")))
        store.gate.set()
        reader.stop()
        return counts

    return asyncio.run(main())


def test_events_are_read(now: list[float]) -> None:
    assert read(Pretended(), now, 0) == [2, 2]


@pytest.mark.parametrize("error", [StoreDown("no disk"), ValueError("a fault of ours")])
def test_a_store_that_is_down_is_asked_again_after_a_pause(error: Exception, now: list[float]) -> None:
    store = Pretended()
    store.error = error
    assert read(store, now, 0, 0, module.PAUSE) == [0, 0, 0, 0]
    assert store.asked == 2


def test_a_store_that_is_slow_is_not_waited_for(now: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.5)
    store = Pretended()
    store.gate.clear()
    started = time.monotonic()
    assert read(store, now, 0, 0) == [0, 0, 0]
    assert time.monotonic() - started < 30
    assert store.asked == 1


def test_whoever_is_asked_for_during_a_read_is_in_the_next_one() -> None:
    store = Pretended()
    store.gate.clear()

    async def main() -> list[list[Taste]]:
        reader: Any = Reader(store, 1)  # type: ignore[arg-type]
        reads = [asyncio.create_task(reader.tastes_of(user)) for user in ("1", "2", "3", "2")]
        await asyncio.sleep(0.05)  # the first read has begun
        reads += [asyncio.create_task(reader.tastes_of(user)) for user in ("2", "4")]
        reads[2].cancel()  # its client has gone, which is nobody else's loss
        await asyncio.sleep(0)
        store.gate.set()
        found = await asyncio.gather(*reads[:2], *reads[3:])
        reader.stop()
        return found

    found = [[one.movie_id for one in tastes] for tastes in asyncio.run(main())]
    assert found == [["of 1"], ["of 2"], ["of 2"], ["of 2"], ["of 4"]]
    assert store.asked == 2


def test_nothing_is_read_where_no_events_are_wanted() -> None:
    store = Pretended()
    assert asyncio.run(Reader(store, 0).tastes_of("196")) == []  # type: ignore[arg-type]
    assert store.asked == 0
