"""One rule of what is asked again, for all that ask TorchServe: the client, the comparison of versions, the gateway."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from unittest.mock import Mock

import httpx
import pytest
import requests

from client.recommender_client import ASK_AGAIN, Recommender, RecommenderError
from serving import answers
from tests.client.conftest import BREAKS_OFF, HANGS_UP
from web import torchserve as gateway
from web.problems import Problem
from web.settings import Settings

ROOT = Path(__file__).parents[2]
STATUSES = [400, 404, 413, 429, 500, 501, 502, 503, 504, 507]
ERROR = b'{"code": 0, "type": "Whatever", "message": "whatever"}'


def by_the_client(url: str, timeout: float) -> None:
    with Recommender(url, "fm", longest_wait=0.01, timeout=timeout) as client:
        client.score(user_id=1, movie_id=2)


def by_the_comparison(url: str, timeout: float) -> None:
    asker = answers.Asker(url, "fm")
    asker._client = partial(asker._client, longest_wait=0.01, timeout=timeout)
    asker.ask("1.0", {})


def by_the_gateway(url: str, timeout: float) -> None:
    async def ask() -> None:
        torchserve = gateway.TorchServe(Settings(torchserve_url=url, timeout=timeout))
        try:
            await torchserve.ask("fm", b"{}")
        finally:
            await torchserve.close()

    asyncio.run(ask())


by_all = pytest.mark.parametrize("ask", [by_the_client, by_the_comparison, by_the_gateway])


def asked(ask: Callable[[str, float], None], url: str, timeout: float = 60) -> None:
    """Ask for what has no answer."""
    with contextlib.suppress(RecommenderError, Problem, requests.RequestException):
        ask(url, timeout)


@pytest.mark.parametrize("status", STATUSES)
@by_all
def test_the_same_statuses_are_asked_again_by_all(misbehaving, ask: Callable, status: int) -> None:
    server = misbehaving((status, ERROR))
    asked(ask, server.url)
    assert (len(server.bodies) > 1) == (status in ASK_AGAIN), f"asked {len(server.bodies)} times"


@pytest.mark.parametrize("how", [HANGS_UP, BREAKS_OFF], ids=["before the answer", "inside it"])
@by_all
def test_a_broken_connection_is_asked_again_by_all(misbehaving, ask: Callable, how: int) -> None:
    server = misbehaving((how, ERROR))
    asked(ask, server.url)
    assert len(server.bodies) > 1


@by_all
def test_a_slow_answer_is_asked_again_by_none(misbehaving, ask: Callable) -> None:
    server = misbehaving((200, ERROR), pause=120)
    asked(ask, server.url, timeout=2)
    assert len(server.bodies) == 1


class Connections(threading.Thread):
    """Listens where ``server`` does, answers with a part of an answer and no more, and counts who has come."""

    def __init__(self, server: socket.socket) -> None:
        super().__init__()
        self.server = server
        self.open: list[socket.socket] = []

    def run(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                self.open.append(self.server.accept()[0])
                self.open[-1].recv(65536)
                self.open[-1].sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")


@pytest.fixture
def falls_asleep() -> Iterator[Connections]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        connections = Connections(server)
        connections.start()
        yield connections
        server.shutdown(socket.SHUT_RDWR)
        connections.join()
    for one in connections.open:
        one.close()


@by_all
def test_an_answer_that_gets_slow_within_is_asked_again_by_none(falls_asleep: Connections, ask: Callable) -> None:
    asked(ask, f"http://127.0.0.1:{falls_asleep.server.getsockname()[1]}", timeout=2)
    assert len(falls_asleep.open) == 1


REFUSED = (ConnectionRefusedError(), httpx.ConnectError("refused"))
SLOW = (TimeoutError(), httpx.ConnectTimeout("slow"))


@pytest.mark.parametrize(("errors", "again"), [(REFUSED, True), (SLOW, False)], ids=["refused", "slow"])
@by_all
def test_a_refused_connection_is_asked_again_by_all_and_a_slow_one_by_none(
    ask: Callable, errors: tuple[Exception, Exception], again: bool, monkeypatch
) -> None:
    of_requests, of_httpx = Mock(side_effect=errors[0]), Mock(side_effect=errors[1])
    monkeypatch.setattr(socket.socket, "connect", of_requests)
    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", of_httpx)
    asked(ask, "http://127.0.0.1:9")
    times = of_requests.call_count + of_httpx.call_count
    assert (times > 1) == again, f"{times} times"


def test_they_are_listed_once_more_where_a_copy_is_needed_and_nowhere_else() -> None:
    assert set(ASK_AGAIN) == gateway.ASK_AGAIN
    section = (ROOT / "docs/operations.md").read_text().split("## What clients should do")[1].split("##")[0]
    assert set(map(int, re.findall(r"\b[45]\d\d\b", section))) == set(ASK_AGAIN)
