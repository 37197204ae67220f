"""Connections to the model server that are kept and used again: HTTP/1.1, one request at a time on each.

A list goes through it, so it does no more than the gateway needs: each step is CPU time of every list.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Mapping
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

import httptools

MOST = 64  # connections
KEPT = 5.0  # seconds of an idle connection: less than after which servers close theirs
CONNECT = 1.0  # seconds until a connection stands


class Response(NamedTuple):
    """What a server answers; ``headers`` by their names in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Server(Protocol):
    """What ``torchserve.TorchServe`` asks."""

    async def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Response:
        """The response, whatever its status.

        Raises TimeoutError where no connection stands in time, and another OSError where none stands at all, or where
        it breaks before the response is there. Whoever waits for the response sets the time for it.
        """

    async def close(self) -> None:
        """Close the connections."""


class Connections:
    """A ``Server`` at a URL. All calls belong to one event loop."""

    def __init__(self, url: str) -> None:
        """Open nothing yet. Raises ValueError for a URL that is not ``http(s)://host[:port][/path]``."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"the model server's URL is {url!r}: give http://host:port or https://host:port")
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._address = parts.hostname, parts.port or (443 if self._tls else 80)
        self._host, self._base = parts.netloc.rpartition("@")[2], parts.path.rstrip("/")
        self._idle: list[_Connection] = []
        self._room = asyncio.Semaphore(MOST)

    async def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Response:
        """Of ``Server``."""
        lines = [f"{method} {self._base}{path} HTTP/1.1", f"Host: {self._host}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        head = "\r\n".join(lines).encode("latin-1")
        if head.count(b"\n") >= len(lines):
            raise ValueError("a path or a header has a line break")
        async with self._room:
            connection = self._kept() or await self._opened()
            try:
                response = await connection.ask(head + b"\r\n\r\n" + body)
            except BaseException:
                connection.close()  # what comes on it later is the answer of a question that nobody asks any more
                raise
            if connection.is_open:
                self._idle.append(connection)
            return response

    async def close(self) -> None:
        """Of ``Server``."""
        while self._idle:
            self._idle.pop().close()

    def _kept(self) -> _Connection | None:
        """The connection that was used last, unless the server may be about to close it."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open and time.monotonic() - connection.used < KEPT:
                return connection
            connection.close()
        return None

    async def _opened(self) -> _Connection:
        async with asyncio.timeout(CONNECT):
            opening = asyncio.get_running_loop().create_connection(_Connection, *self._address, ssl=self._tls)
            return (await opening)[1]


class _Connection(asyncio.Protocol):
    """One connection; the methods that httptools calls have the names that it gives them."""

    def __init__(self) -> None:
        self.is_open = False
        self.used = 0.0  # when, on the monotonic clock
        self._answer: asyncio.Future[Response] | None = None  # while a question waits

    async def ask(self, request: bytes) -> Response:
        """Raises ConnectionError where no response comes."""
        self._parser = httptools.HttpResponseParser(self)
        self._headers: dict[str, str] = {}
        self._body = bytearray()
        self._ends_with_connection = False
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        self.is_open = False
        self._transport.close()

    # --- of asyncio

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.is_open, self._transport = True, transport

    def data_received(self, data: bytes) -> None:
        if self._answer is None:  # a server that speaks without being asked
            self.close()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(f"the server does not answer by HTTP: {error}")
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        if self._answer is not None and self._ends_with_connection and exc is None:
            self.on_message_complete()
        self._fail("the server closed the connection")

    # --- of httptools

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._ends_with_connection = not self._headers.keys() & {"content-length", "transfer-encoding"}

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        if self._answer is None:  # a second response
            self.is_open = False
            return
        answer, self._answer, self.used = self._answer, None, time.monotonic()
        self.is_open = self.is_open and self._parser.should_keep_alive()
        if not self.is_open:
            self._transport.close()
        if not answer.done():
            answer.set_result(Response(self._parser.get_status_code(), self._headers, bytes(self._body)))

    def _fail(self, why: str) -> None:
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_exception(ConnectionError(why))
