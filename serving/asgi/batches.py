"""Requests to one version, answered together: while one batch is answered, the next one gathers."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from .code import Answer, Hosted
from .errors import NotAnswered, QueueFull

logger = logging.getLogger(__name__)

RESPONSE_TIMEOUT = 120.0  # seconds that a batch may take where an archive does not say, as TorchServe has it

Done = Callable[[Answer], None]


class Failed(NamedTuple):
    """The answer of a batch that could not be answered at all."""

    code: int = 500
    body: bytes = msgspec.json.encode(NotAnswered("the batch failed: the server's log says why").body())


class Batches:
    """The queue of one version, and the thread that answers it.

    The thread has one batch at a time. What arrives meanwhile is the next batch, up to the archive's ``batchSize``: so
    no request waits for a batch to fill. Every method is for the event loop's thread. ``most``: of waiting requests.
    """

    def __init__(self, hosted: Hosted, loop: asyncio.AbstractEventLoop, most: int) -> None:
        self.hosted = hosted
        self.codes: Counter[int] = Counter()  # answers by status
        self.seconds: Counter[str] = Counter()  # of all requests: "queue" until their batch began, "all" to the answer
        self._loop = loop
        self._most = most
        self._waiting: deque[tuple[Any, Done, float]] = deque()
        self._in_flight = 0
        self._began = 0.0  # the batch in flight
        self._work: queue.SimpleQueue[list[tuple[Any, Done, float]] | None] = queue.SimpleQueue()
        self._idle = asyncio.Event()
        self._idle.set()
        self._thread = threading.Thread(target=self._run, name=f"{hosted.model} {hosted.version}", daemon=True)
        self._thread.start()

    @property
    def pending(self) -> int:
        """Requests that have no answer yet."""
        return len(self._waiting) + self._in_flight

    @property
    def room(self) -> int:
        """How many more requests may wait."""
        return self._most - len(self._waiting)

    @property
    def is_stuck(self) -> bool:
        """Whether a batch takes longer than its archive permits. A thread cannot be ended: its process can."""
        given = getattr(self.hosted, "response_timeout", None)
        permitted = RESPONSE_TIMEOUT if given is None else given
        return self._in_flight > 0 and time.monotonic() - self._began > permitted

    def ask(self, request: Any, done: Done) -> None:
        """Have a request answered; ``done`` gets the answer. Raises QueueFull."""
        if len(self._waiting) >= self._most:
            raise QueueFull(f"{self.hosted.model} {self.hosted.version} has {self._most} waiting requests: ask again")
        self._waiting.append((request, done, time.monotonic()))
        if self._idle.is_set():
            self._idle.clear()
            self._loop.call_soon(self._next)  # after all that has arrived by now is in the queue

    async def answer(self, request: Any) -> Answer:
        """The answer to a request. Raises QueueFull."""
        future = self._loop.create_future()
        self.ask(request, lambda answer: None if future.done() else future.set_result(answer))
        return await future

    async def close(self) -> None:
        """Answer what has been asked, and end the thread. Nothing may be asked afterwards."""
        await self._idle.wait()
        self._work.put(None)
        await asyncio.to_thread(self._thread.join)

    def _next(self) -> None:
        if not self._waiting:
            self._idle.set()
            return
        batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), self.hosted.batch_size))]
        self._in_flight = len(batch)
        self._began = time.monotonic()
        self.seconds["queue"] += sum(self._began - arrived for _, _, arrived in batch)
        self._work.put(batch)

    def _run(self) -> None:
        while (batch := self._work.get()) is not None:
            try:
                answers = list(self.hosted.answer([request for request, _, _ in batch]))
                if len(answers) != len(batch):
                    raise ValueError(f"the archive gave {len(answers)} answers")
            except Exception:
                logger.exception("a batch of %d requests failed", len(batch))
                answers = [Failed()] * len(batch)
            self._loop.call_soon_threadsafe(self._finish, batch, answers)

    def _finish(self, batch: list[tuple[Any, Done, float]], answers: list[Answer]) -> None:
        now = time.monotonic()
        self._in_flight = 0
        self.seconds["all"] += sum(now - arrived for _, _, arrived in batch)
        self.codes.update([answer.code for answer in answers])
        for (_, done, _), answer in zip(batch, answers, strict=True):
            try:
                done(answer)
            except Exception:  # of one connection: the others get their answers
                logger.exception("an answer could not be handed over")
        self._loop.call_soon(self._next)
