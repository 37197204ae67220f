"""Workers that end or hang while they are asked, as the supervisor sees them."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from serving.asgi.errors import NoSuchVersion, QueueFull
from serving.asgi.worker import Settings, State
from serving.asgi.workers import WorkerEnded, Workers

HANGS = 2.0  # seconds: longer than any machine keeps a thread from a short reply
Reply = Callable[[Connection, str], None]  # to a call's name


def good(connection: Connection, name: str) -> None:
    connection.send((True, ("fm", "1.1") if name == "add" else name))


def refuses(connection: Connection, name: str) -> None:
    connection.send((False, NoSuchVersion("1.1 is not there")))


def ends(connection: Connection, name: str) -> None:
    connection.close()


def hangs(connection: Connection, name: str) -> None:
    """Sends nothing."""


class Pretended:
    """Workers that reply in these ways, each to all calls, and what was done to them."""

    def __init__(self, *replies: Reply) -> None:
        self.asked: list[list[str]] = [[] for _ in replies]
        self.killed: list[int] = []
        self.theirs: list[Connection] = []
        self.workers = Workers([None] * len(replies), Settings(1, 1), State([], {}))  # type: ignore[list-item]
        for number, reply in enumerate(replies):
            ours, theirs = multiprocessing.Pipe()
            self.workers._connections[number] = ours
            self.theirs.append(theirs)
            self.workers._processes[number] = SimpleNamespace(pid=number, kill=lambda n=number: self.killed.append(n))
            threading.Thread(target=self._answer, args=(number, theirs, reply), daemon=True).start()

    def _answer(self, number: int, connection: Connection, reply: Reply) -> None:
        with suppress(EOFError, OSError):  # at the end of the test
            while True:
                name, _ = connection.recv()
                self.asked[number].append(name)
                reply(connection, name)


def test_a_worker_that_does_not_reply_is_killed_and_the_others_are_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.asgi.workers.HANGS", HANGS)
    pretended = Pretended(hangs, good)
    assert pretended.workers.call("status") == ["status"]
    assert pretended.killed == [0]


def test_a_reply_that_comes_too_late_is_not_that_of_the_next_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.asgi.workers.HANGS", HANGS)
    pretended = Pretended(hangs, good)
    pretended.workers._processes[0].kill = lambda: pretended.theirs[0].send((True, "late"))
    for name in ("status", "take"):
        assert pretended.workers.call(name) == [name]


def test_where_no_worker_replies_the_caller_is_told_to_ask_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.asgi.workers.HANGS", HANGS)
    with pytest.raises(QueueFull, match="ask again"):
        Pretended(ends, hangs).workers.call("status")


@pytest.mark.parametrize(("reply", "error"), [(ends, WorkerEnded), (refuses, NoSuchVersion)])
def test_an_archive_that_one_worker_cannot_load_is_served_by_none(reply: Reply, error: type[Exception]) -> None:
    """A worker that ends as it loads would end again and again: it starts with what is served."""
    pretended = Pretended(good, reply)
    with pytest.raises(error):
        pretended.workers.add("folder")
    assert pretended.workers.state == State([], {})
    assert pretended.asked[0] == ["add", "remove"]


def test_what_all_workers_have_loaded_is_served() -> None:
    pretended = Pretended(good, good)
    assert pretended.workers.add("folder") == ("fm", "1.1")
    assert pretended.workers.state == State(["folder"], {"fm": "1.1"})


def test_a_worker_that_had_ended_before_does_not_keep_an_archive_out() -> None:
    pretended = Pretended(good, good)
    connection: Any = pretended.workers._connections[1]
    connection.close()
    assert pretended.workers.add("folder") == ("fm", "1.1")


def test_a_worker_that_hangs_is_killed_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.asgi.workers.END", 0.5)
    fleet = Workers([], Settings(1, 1), State([], {}))
    hanging = multiprocessing.get_context("spawn").Process(target=signal.sigwait, args=([signal.SIGUSR1],), daemon=True)
    hanging.start()
    psutil.Process(hanging.pid).suspend()
    fleet._processes = [hanging]
    fleet.stop()
    assert not hanging.is_alive()
