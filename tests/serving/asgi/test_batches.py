"""How requests become batches, with an archive that waits until it is told to answer."""

from __future__ import annotations

import asyncio
import threading
from typing import Any, NamedTuple

import pytest

from serving.asgi.batches import Batches
from serving.asgi.errors import QueueFull


class Answered(NamedTuple):
    code: int
    body: bytes


class Waiting:
    """Answers a batch when ``go`` is released."""

    model, version, batch_size, device = "fm", "1.0", 4, "cpu"
    response_timeout = 60.0

    def __init__(self) -> None:
        self.batches: list[list[Any]] = []
        self.go = threading.Semaphore(0)

    def answer(self, requests: list[Any]) -> list[Answered]:
        self.batches.append(requests)
        assert self.go.acquire(timeout=10)
        if b"bad" in requests:
            raise ValueError("on purpose")
        if b"few" in requests:
            return []
        return [Answered(200, one) for one in requests]


async def asked(batches: Batches, *requests: bytes) -> list[Any]:
    """Tasks that wait for the answers, once all requests are in the queue and the first batch has begun."""
    tasks = [asyncio.create_task(batches.answer(request)) for request in requests]
    await asyncio.sleep(0.05)
    return tasks


def run(hosted: Waiting, test: Any, most: int = 100) -> None:
    async def main() -> None:
        batches = Batches(hosted, asyncio.get_running_loop(), most)
        await test(batches)
        hosted.go.release()
        await batches.close()

    asyncio.run(main())


def test_what_arrives_while_a_batch_is_answered_is_the_next_batch() -> None:
    hosted = Waiting()

    async def test(batches: Batches) -> None:
        first = await asked(batches, b"1")
        rest = await asked(batches, *(b"%d" % number for number in range(2, 8)))
        assert batches.pending == 7
        for _ in range(3):
            hosted.go.release()
        answers = [(await task).body for task in first + rest]
        assert answers == [b"1", b"2", b"3", b"4", b"5", b"6", b"7"]

    run(hosted, test)
    assert hosted.batches == [[b"1"], [b"2", b"3", b"4", b"5"], [b"6", b"7"]]


def test_a_full_queue_refuses_and_what_waits_is_answered() -> None:
    hosted = Waiting()

    async def test(batches: Batches) -> None:
        tasks = await asked(batches, b"1")
        tasks += await asked(batches, b"2", b"3")
        with pytest.raises(QueueFull, match="has 2 waiting requests: ask again"):
            await batches.answer(b"4")
        hosted.go.release()
        hosted.go.release()
        assert [(await task).body for task in tasks] == [b"1", b"2", b"3"]

    run(hosted, test, most=2)


@pytest.mark.parametrize("bad", [b"bad", b"few"])
def test_a_batch_that_fails_is_500_and_the_next_one_is_answered(bad: bytes) -> None:
    hosted = Waiting()

    async def test(batches: Batches) -> None:
        tasks = await asked(batches, bad)
        tasks += await asked(batches, b"good")
        hosted.go.release()
        hosted.go.release()
        assert [(await task).code for task in tasks] == [500, 200]
        assert batches.codes == {500: 1, 200: 1}

    run(hosted, test)


def test_a_batch_that_takes_longer_than_its_archive_permits_is_stuck() -> None:
    hosted = Waiting()

    async def test(batches: Batches) -> None:
        (task,) = await asked(batches, b"1")
        assert not batches.is_stuck
        hosted.response_timeout = -1.0  # it has taken longer, whatever the clock says
        assert batches.is_stuck
        hosted.go.release()
        await task
        assert not batches.is_stuck

    run(hosted, test)


def test_a_client_that_has_gone_harms_nobody() -> None:
    hosted = Waiting()

    async def test(batches: Batches) -> None:
        gone, stays = await asked(batches, b"1", b"2")
        gone.cancel()
        hosted.go.release()
        assert (await stays).body == b"2"

    run(hosted, test)


def test_a_connection_that_fails_harms_no_other(caplog: pytest.LogCaptureFixture) -> None:
    hosted = Waiting()

    def broken(answer: Any) -> None:
        raise RuntimeError("on purpose")

    async def test(batches: Batches) -> None:
        neighbour = asyncio.create_task(batches.answer(b"2"))  # asks before the batch begins
        batches.ask(b"1", broken)
        hosted.go.release()
        assert (await neighbour).body == b"2"

    run(hosted, test)
    assert hosted.batches == [[b"1", b"2"]]
    assert "an answer could not be handed over" in caplog.text


def test_closing_waits_for_what_has_been_asked() -> None:
    hosted = Waiting()

    async def test(batches: Batches) -> None:
        (task,) = await asked(batches, b"1")
        closing = asyncio.create_task(batches.close())
        await asyncio.sleep(0.05)
        assert not closing.done()
        hosted.go.release()
        await closing
        assert (await task).body == b"1"

    run(hosted, test)
