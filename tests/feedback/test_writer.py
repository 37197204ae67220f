"""Events in flight at once share a transaction; nothing waits for impressions."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from feedback import writer as module
from feedback.store import Event, Impression, StoreDown
from feedback.writer import Writer
from tests.feedback.conftest import NOW, event


class Slow:
    """In the store's place: keeps what it is given, and waits while ``gate`` is closed."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.transactions: list[list[Sequence[Event]]] = []
        self.shown: list[Impression] = []
        self.failure: Callable[[Sequence[Sequence[Event]]], None] = lambda batches: None
        self.is_closed = False

    def add_events(self, batches: Sequence[Sequence[Event]]) -> list[int]:
        self.gate.wait(60)
        self.failure(batches)
        self.transactions.append(list(batches))
        return [len(batch) for batch in batches]

    def add_impressions(self, shown: Sequence[Impression]) -> None:
        self.failure([])
        self.shown += shown

    def close(self) -> None:
        self.is_closed = True


def run(test: Callable[[Writer, Slow, list[int]], Coroutine[Any, Any, None]]) -> Slow:
    """Run a test with a writer; the store that it wrote to."""
    store, dropped = Slow(), []

    async def main() -> None:
        writer = Writer(store, dropped.append)  # type: ignore[arg-type]
        writer.start()
        async with asyncio.timeout(60):
            await test(writer, store, dropped)
        await writer.stop()

    asyncio.run(main())
    assert store.is_closed
    return store


def show(writer: Writer, count: int) -> None:
    for number in range(count):
        writer.show(lambda number=number: Impression(str(number), None, "fm", "1.0", NOW, ["1"]))


def test_a_list_that_waits_is_stored_before_its_user_is_forgotten() -> None:
    order = []

    async def test(writer: Writer, store: Slow, _: list[int]) -> None:
        store.failure = lambda batches: order.append("written")
        store.forget = lambda *whom: order.append(whom)  # type: ignore[attr-defined]
        show(writer, 1)
        await writer.forget("0", "50")

    run(test)
    assert order == ["written", ("0", "50")]


def test_what_comes_during_a_transaction_is_the_next_one() -> None:
    async def test(writer: Writer, store: Slow, _: list[int]) -> None:
        store.gate.clear()
        first = asyncio.create_task(writer.add([event("0", "a")]))
        await asyncio.sleep(0.05)
        others = [asyncio.create_task(writer.add([event(str(user), "a")] * user)) for user in range(1, 40)]
        await asyncio.sleep(0.05)
        assert not any(task.done() for task in (first, *others))
        store.gate.set()
        assert await asyncio.gather(first, *others) == [1, *range(1, 40)]

    assert [len(batches) for batches in run(test).transactions] == [1, 39]


def test_a_transaction_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_EVENTS", 10)

    async def test(writer: Writer, store: Slow, _: list[int]) -> None:
        assert await asyncio.gather(*(writer.add([event(str(user), "a")] * 4) for user in range(5)))
        assert await writer.add([event("6", "a")] * 25) == 25

    assert [sum(map(len, batches)) for batches in run(test).transactions] == [8, 8, 4, 25]


def test_a_queue_that_is_full_refuses_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 10)

    async def test(writer: Writer, store: Slow, _: list[int]) -> None:
        store.gate.clear()
        waiting = []
        for user in range(2):
            waiting.append(asyncio.create_task(writer.add([event(str(user), "a")] * 8)))
            await asyncio.sleep(0.05)
        with pytest.raises(StoreDown, match="8 events wait"):
            await writer.add([event("9", "a")] * 8)
        store.gate.set()
        assert await asyncio.gather(*waiting) == [8, 8]

    run(test)


def test_a_store_that_is_down_is_asked_again_after_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, now = [], [0.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))

    def fail(batches: Any) -> None:
        asked.append(batches)
        raise StoreDown("no disk")

    async def test(writer: Writer, store: Slow, _: list[int]) -> None:
        store.failure = fail
        for _attempt in range(5):
            with pytest.raises(StoreDown):
                await writer.add([event("1", "a")])
        assert len(asked) == 1
        store.failure = lambda batches: None
        now[0] += module.PAUSE
        assert await writer.add([event("1", "a")]) == 1

    run(test)


def test_the_fault_of_a_batch_is_its_own() -> None:
    def fail(batches: Sequence[Sequence[Event]]) -> None:
        if any(one.user_id == "bad" for batch in batches for one in batch):
            raise ValueError("a value that the database does not take")

    async def test(writer: Writer, store: Slow, _: list[int]) -> None:
        store.failure = fail
        store.gate.clear()
        tasks = [asyncio.create_task(writer.add([event(user, "a")])) for user in ("0", "1", "bad", "2")]
        await asyncio.sleep(0.05)
        store.gate.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [results[place] for place in (0, 1, 3)] == [1, 1, 1]
        assert isinstance(results[2], ValueError)

    run(test)


def test_a_client_that_goes_away_stops_nobody() -> None:
    async def test(writer: Writer, store: Slow, _: list[int]) -> None:
        store.gate.clear()
        gone, stays = (asyncio.create_task(writer.add([event(user, "a")])) for user in ("1", "2"))
        await asyncio.sleep(0.05)
        gone.cancel()
        store.gate.set()
        assert await stays == 1

    run(test)


def test_impressions_are_stored_when_the_writer_stops() -> None:
    async def test(writer: Writer, store: Slow, dropped: list[int]) -> None:
        show(writer, 20)

    assert [one.user_id for one in run(test).shown] == [str(number) for number in range(20)]


def test_impressions_that_are_too_many_are_dropped_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_IMPRESSIONS", 5)

    async def test(writer: Writer, store: Slow, dropped: list[int]) -> None:
        show(writer, 8)
        assert sum(dropped) == 3
        assert store.shown == [], "nothing has waited for the store"

    assert len(run(test).shown) == 5


def test_an_impression_that_cannot_be_made_is_counted_and_harms_no_other() -> None:
    counted: list[int] = []

    async def test(writer: Writer, store: Slow, dropped: list[int]) -> None:
        show(writer, 3)
        writer.show(lambda: Impression(None, None, "fm", "1.0", NOW, {}["movies"]))
        while not dropped:
            await asyncio.sleep(0.01)
        counted.extend(dropped)

    assert len(run(test).shown) == 3
    assert sum(counted) == 1


def test_impressions_of_a_store_that_is_down_are_counted() -> None:
    counted: list[int] = []

    def fail(batches: Any) -> None:
        raise StoreDown("no disk")

    async def test(writer: Writer, store: Slow, dropped: list[int]) -> None:
        store.failure = fail
        show(writer, 3)
        while not dropped:
            await asyncio.sleep(0.01)
        counted.extend(dropped)

    assert run(test).shown == []
    assert sum(counted) == 3
