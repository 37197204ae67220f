"""Slow and hostile connections, to a server in this process."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any

import pytest
import uvicorn

from serving.asgi import guard
from serving.asgi.guard import MAX_HEAD, Guarded, allow_connections
from serving.config import ROOT

HEAD = b"POST / HTTP/1.1\r\nHost: x\r\n"
Connect = Callable[[], AbstractAsyncContextManager[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the length of the body, or with a large body, or late, or before the body is there."""
    length = 0
    while scope["path"] != "/early":
        message = await receive()
        length += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    await asyncio.sleep(0.6 if scope["path"] == "/late" else 0)
    body = bytes(50_000_000) if scope["path"] == "/large" else b"%d" % length
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Steady(asyncio.SelectorEventLoop):
    """Its clock stands still while the machine has no time for this process: no timer is due before what came first."""

    STEP = 0.02  # seconds between two looks of the loop, at most

    def __init__(self) -> None:
        self._now, self._seen = 0.0, time.monotonic()
        super().__init__()
        select = self._selector.select
        self._selector.select = lambda timeout: select(self.STEP if timeout is None else min(timeout, self.STEP))

    def time(self) -> float:
        before, self._seen = self._seen, time.monotonic()
        self._now += min(self._seen - before, self.STEP)
        return self._now


def run(test: Callable[[Connect, uvicorn.Server], Awaitable[None]]) -> None:
    async def main() -> None:
        config = uvicorn.Config(app, http=Guarded, lifespan="off", ws="none", log_config=None, timeout_keep_alive=1)
        config.port = 0
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server._serve())
        while not server.started:
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]

        @asynccontextmanager
        async def connect() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            yield reader, writer
            writer.transport.abort()

        await asyncio.wait_for(test(connect, server), 60)
        server.should_exit = True
        await serving

    with asyncio.Runner(loop_factory=Steady) as runner:
        runner.run(main())


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "READ", 0.3)
    monkeypatch.setattr(guard, "FIRST_REQUEST", 0.3)


@pytest.mark.parametrize(
    ("begins", "piece"),
    [
        (b"", b""),
        (b"", b"P"),
        (HEAD, b"a: b\r\n"),
        (HEAD + b"Content-Length: 1000\r\n\r\n", b"x"),
        (HEAD + b"Content-Length: 1\r\n\r\nx" + HEAD, b"a: b\r\n"),
    ],
    ids=["nothing", "no head", "endless head", "endless body", "after a request"],
)
def test_a_request_that_does_not_come_in_time_ends_its_connection(begins: bytes, piece: bytes) -> None:
    async def test(connect: Connect, server: uvicorn.Server) -> None:
        async with connect() as (reader, writer):
            writer.write(begins)
            ended = asyncio.create_task(reader.read())
            for _ in range(200):
                if ended.done() or writer.is_closing():
                    break
                writer.write(piece)
                await asyncio.sleep(0.05)
            assert ended.done()
            assert not server.server_state.connections

    run(test)


@pytest.mark.parametrize(
    ("request_", "rest"),
    [
        (b"", b"\r\n"),
        (HEAD + b"\r\n", b"\r\n"),
        (HEAD.replace(b"/", b"/early", 1) + b"Content-Length: 1\r\n\r\n", b"x"),
    ],
    ids=["an empty line", "an empty line after an answer", "the body after its answer"],
)
def test_a_connection_that_stays_idle_ends_whatever_came_last(request_: bytes, rest: bytes) -> None:
    async def test(connect: Connect, server: uvicorn.Server) -> None:
        async with connect() as (reader, writer):
            writer.write(request_)
            if request_:
                await reader.readuntil(b"\r\n\r\n0")
            writer.write(rest)
            assert await asyncio.wait_for(reader.read(), 3) == b""
            assert not server.server_state.connections

    run(test)


@pytest.mark.parametrize("lingers", [60, 0.1])
def test_a_refused_client_may_send_its_request_and_is_let_go_of(monkeypatch, lingers: float) -> None:
    monkeypatch.setattr(Guarded, "most", 1)
    monkeypatch.setattr(guard, "LINGERS", lingers)

    async def test(connect: Connect, server: uvicorn.Server) -> None:
        async with connect() as (first, its), connect() as (reader, writer):
            its.write(HEAD + b"\r\n")
            await first.readuntil(b"\r\n\r\n0")
            writer.write(HEAD + b"Content-Length: 100000\r\n\r\n")
            assert (await reader.read()).startswith(b"HTTP/1.1 503 ")
            assert len(server.server_state.connections) == 1
            is_closed = False
            for _ in range(20 if lingers == 60 else 2000):
                try:
                    writer.write(b"x")
                    await writer.drain()
                except ConnectionError:
                    is_closed = True
                    break
                await asyncio.sleep(0.01)
            assert is_closed == (lingers < 60)

    run(test)


def test_so_many_requests_may_wait_for_the_answers_before_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "PIPELINED", 10)
    late, more = HEAD.replace(b"/", b"/late", 1) + b"\r\n", HEAD + b"\r\n"

    async def test(connect: Connect, _: uvicorn.Server) -> None:
        async with connect() as (reader, writer):
            writer.write(late + more * 10)
            for _ in range(11):
                assert (await reader.readuntil(b"\r\n\r\n0")).startswith(b"HTTP/1.1 200")
            writer.write(late + more * 11)
            assert (await reader.read()).startswith(b"HTTP/1.1 400")

    run(test)


def test_an_answer_may_take_longer_than_a_request_and_whoever_is_quick_is_not_ended() -> None:
    async def test(connect: Connect, _: uvicorn.Server) -> None:
        async with connect() as (reader, writer):
            late = HEAD.replace(b"/", b"/late", 1) + b"Content-Length: 1\r\n\r\nx"
            writer.write(late + late[:-1])  # the second is there when the first is answered, but for a byte
            assert (await reader.readuntil(b"\r\n\r\n1")).startswith(b"HTTP/1.1 200")
            writer.write(b"x")
            assert (await reader.readuntil(b"\r\n\r\n1")).startswith(b"HTTP/1.1 200")
            for _ in range(10):
                await asyncio.sleep(0.1)
                writer.write(HEAD + b"\r\n")
                assert (await reader.readuntil(b"\r\n\r\n0")).startswith(b"HTTP/1.1 200")

    run(test)


@pytest.mark.parametrize("piece", [b"a: b\r\n", b"x"], ids=["headers", "one header"])
@pytest.mark.parametrize("before", [b"", HEAD + b"Content-Length: 1\r\n\r\nx"], ids=["first", "second"])
def test_headers_without_end_end_the_connection(piece: bytes, before: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "READ", 60)

    async def test(connect: Connect, server: uvicorn.Server) -> None:
        async with connect() as (reader, writer):
            writer.write(before + HEAD + b"a: ")
            for _ in range(40):
                writer.write(piece * (100_000 // len(piece)))
            with suppress(ConnectionError):
                await reader.read()
            assert not server.server_state.connections

    run(test)


def test_headers_after_a_body_have_an_end_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "READ", 60)

    async def test(connect: Connect, server: uvicorn.Server) -> None:
        async with connect() as (reader, writer):
            writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n")
            for _ in range(40):
                writer.write(b"a: b\r\n" * 10_000)
            with suppress(ConnectionError):
                await reader.read()
            assert not server.server_state.connections

    run(test)


def test_a_body_in_the_smallest_chunks_is_a_body() -> None:
    async def test(connect: Connect, _: uvicorn.Server) -> None:
        async with connect() as (reader, writer):
            writer.write(HEAD + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
            writer.write(b"1\r\nx\r\n" * MAX_HEAD + b"0\r\n\r\n")
            assert (await reader.read()).endswith(b"\r\n\r\n%d" % MAX_HEAD)

    run(test)


@pytest.mark.parametrize("requests", [1, 2])
def test_whoever_does_not_read_an_answer_does_not_keep_it_in_memory(requests: int) -> None:
    async def test(connect: Connect, server: uvicorn.Server) -> None:
        async with connect() as (_, writer):
            writer.transport.pause_reading()
            writer.write((HEAD.replace(b"/", b"/large", 1) + b"\r\n") * requests)
            await asyncio.sleep(0.5)
            assert len(server.server_state.connections) == 1
            await asyncio.sleep(1)
            assert not server.server_state.connections

    run(test)


def test_whoever_reads_a_large_answer_slowly_gets_all_of_it() -> None:
    async def test(connect: Connect, _: uvicorn.Server) -> None:
        async with connect() as (reader, writer):
            writer.write(HEAD.replace(b"/", b"/large", 1) + b"\r\n")
            await reader.readuntil(b"\r\n\r\n")
            left = 50_000_000
            while left:
                await asyncio.sleep(0.05)  # 2.5 seconds in all, where an idle connection is ended after one
                left -= len(await reader.readexactly(min(left, 1_000_000)))
            writer.write(HEAD + b"\r\n")
            assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200")

    run(test)


def test_as_many_connections_as_the_system_permits() -> None:
    resource_limits = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (64, 256))"
    program = f"{resource_limits}; from {allow_connections.__module__} import allow_connections; allow_connections()"
    program += "; print(resource.getrlimit(resource.RLIMIT_NOFILE))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str((256, 256))
