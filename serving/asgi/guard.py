"""Limits of a connection: what a slow or hostile client may take of time and memory, which uvicorn does not limit."""

from __future__ import annotations

import asyncio
import resource
import sys
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

KEEP_ALIVE = 75  # seconds of an idle connection: more than the 60 of most load balancers
FIRST_REQUEST = KEEP_ALIVE  # seconds from a connection's start to its first byte
READ = 30  # seconds from the first bytes of a request to its last
MAX_HEAD = 64 * 1024  # bytes of a request that are not its body
LEAST_READ = 64 * 1024  # bytes of a large answer that a client reads in ``KEEP_ALIVE`` seconds
PIPELINED = 1000  # requests that wait on a connection for the answers before theirs
OVERHEAD = 8  # further bytes for each byte of a body: a chunk of one byte has five
LINGERS = 1  # seconds in which a refused client may read that it is
TOO_MANY = b'{"code":503,"type":"ServiceUnavailableException","message":"too many connections are open: try again"}'
REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nconnection: close\r\n"
    b"content-length: %d\r\n\r\n%b" % (len(TOO_MANY), TOO_MANY)
)


def allow_connections() -> None:
    """Let this process open as many connections as the system permits, as Java does: shells begin with 1,024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class Guarded(HttpToolsProtocol):
    """uvicorn's protocol; a request that takes too long, or is all headers, ends its connection.

    ``most``: connections of this process at once, which a subclass sets. Further ones are answered by 503 and closed.
    """

    most = sys.maxsize

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._late: asyncio.TimerHandle | None = None
        self._is_partial = False  # a request has begun, and is not all there
        self._began = False  # in the bytes that are read now
        self._before: Any = None  # the request before it, with its answer
        self._received = self._body = 0  # bytes of the partial request
        self._unread: asyncio.TimerHandle | None = None
        self._is_refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client is there."""
        super().connection_made(transport)
        if len(self.connections) > self.most:
            self.refuse()
        else:
            self._late = self.loop.call_later(FIRST_REQUEST, self._end_late)

    def refuse(self) -> None:
        """Answer by 503. It stays open for a while: a client that sends on to what is closed loses the answer."""
        self.connections.discard(self)  # it takes nobody's place
        self._is_refused = True
        self.transport.write(REFUSAL)
        self.transport.write_eof()
        self._late = self.loop.call_later(LINGERS, self.transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone."""
        self._in_time()
        self._is_read()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes of requests."""
        if self._is_refused:
            return
        self._began = False
        super().data_received(data)
        if not self._is_partial or self._began:
            self._in_time()
        if self._is_partial and not self.transport.is_closing():
            if self._late is None:
                self._clock()
            # Where it began, other requests may stand before it; no read has more than 256 KB.
            self._received += 0 if self._began else len(data)
            if self._received > MAX_HEAD + OVERHEAD * self._body:
                self.transport.close()
        elif self._is_idle():
            # uvicorn waits for the next bytes only after an answer. These were an empty line, or the rest of a body
            # that was answered before it was all there.
            self._wait_for_more()

    def _wait_for_more(self) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def _is_idle(self) -> bool:
        """Whether nothing is asked, and nothing would end the connection."""
        has_answered = self.cycle is None or self.cycle.response_complete
        return has_answered and self.timeout_keep_alive_task is None and not self.transport.is_closing()

    def pause_writing(self) -> None:
        """The client has much of its answers still to read."""
        super().pause_writing()
        self._watch_reading()

    def resume_writing(self) -> None:
        """It has read them."""
        self._is_read()
        super().resume_writing()

    def on_headers_complete(self) -> None:
        """The head of a request is there. Raises OverflowError: then uvicorn ends the connection with a 400."""
        if len(self.pipeline) >= PIPELINED:
            raise OverflowError(f"{PIPELINED} requests wait for the answers before theirs")
        super().on_headers_complete()

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._before = self.cycle
        self._is_partial = self._began = True
        self._received = self._body = 0

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._body += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is all there."""
        self._is_partial = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """An answer was sent: what stood behind it, and was not read meanwhile, has all its time from now on."""
        super().on_response_complete()
        if self._late is not None:
            self._in_time()
            self._clock()

    def timeout_keep_alive_handler(self) -> None:
        """Nothing came for long: where the client does not even read, its answer is let go of."""
        if self._unread is not None:  # it reads a large answer, or ``_end_unread`` ends it
            self._wait_for_more()
        elif self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            super().timeout_keep_alive_handler()

    def _watch_reading(self) -> None:
        waiting = self.transport.get_write_buffer_size()
        self._unread = self.loop.call_later(self.timeout_keep_alive, self._end_unread, waiting)

    def _end_unread(self, waited: int) -> None:
        if waited - self.transport.get_write_buffer_size() < LEAST_READ:
            self.transport.abort()
        else:
            self._watch_reading()

    def _is_read(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _clock(self) -> None:
        self._late = self.loop.call_later(READ, self._end_late)

    def _in_time(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _end_late(self) -> None:
        self._late = None
        if self._before is not None and not self._before.response_complete:  # we are the ones who are slow
            self._clock()
        else:
            self.transport.close()
