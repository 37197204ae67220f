"""Predictions without ASGI: from the bytes of a connection to the queue, and back.

It is uvicorn's protocol, which goes on to answer everything else: also pipelined requests and forms. ASGI makes a task,
an event, a dozen dictionaries and two writes for each request. Without this module the answers are the same
(tests/serving/asgi compares them), and half as many pairs are answered in a second (docs/benchmarks.md).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from .batches import Batches
from .code import Answer
from .errors import HostError
from .fleet import Fleet
from .guard import Guarded
from .http import is_form

JSON = b"application/json"


class Prediction:
    """One request and its response, with the attributes that uvicorn's protocol asks of its own cycles."""

    def __init__(self, protocol: Protocol, path: bytes, keep_alive: bool) -> None:
        self.keep_alive = keep_alive
        self.response_complete = False
        self.disconnected = False
        self.message_event = self  # uvicorn sets it; nobody waits
        self.body = bytearray()
        self._protocol = protocol
        self._path = path
        self._batches: Batches | None = None

    def set(self) -> None:
        """Of the event that nobody waits for."""

    def start(self) -> None:
        """The body is there."""
        try:
            # Not before: while a body comes, its version may be taken out, or another one be made the default.
            self._batches = self._protocol.fleet.route(self._path)
            self._batches.ask(bytes(self.body), self.finish)
        except HostError as error:
            self._protocol.fleet.codes[error.code] += 1
            self._write(error.code, msgspec.json.encode(error.body()), "")

    def finish(self, answer: Answer) -> None:
        """Write the answer."""
        self._write(answer.code, answer.body, self._batches.hosted.version)

    def _write(self, code: int, body: bytes, version: str) -> None:
        self.response_complete = True
        protocol = self._protocol
        if not (self.disconnected or protocol.transport.is_closing()):
            head = _head(code, version, self.keep_alive)
            protocol.transport.write(b"%b%d\r\n\r\n%b" % (head, len(body), body))
            if not self.keep_alive:
                protocol.transport.close()
            protocol.on_response_complete()


@lru_cache(maxsize=256)
def _head(code: int, version: str, keep_alive: bool) -> bytes:
    """Everything of a response before its content's length."""
    lines = [STATUS_LINE[code], b"content-type: ", JSON, b"\r\n"]
    if version:
        lines += [b"x-model-version: ", version.encode(), b"\r\n"]
    if not keep_alive:
        lines.append(b"connection: close\r\n")
    return b"".join([*lines, b"content-length: "])


class Protocol(Guarded):
    """uvicorn's protocol, with the shortcut. A subclass has ``fleet``, ``max_body`` and ``most`` (``protocol_for``)."""

    fleet: Fleet
    max_body: int

    def refuse(self) -> None:
        """Refuse a connection, and count it."""
        self.fleet.codes[503] += 1
        super().refuse()

    def on_headers_complete(self) -> None:
        """A request begins; its body has not been read."""
        busy = self.cycle is not None and not self.cycle.response_complete
        if self.url not in self.fleet.routes or busy or self.flow.write_paused or not self._is_plain():
            super().on_headers_complete()
        else:
            keep_alive = self.parser.get_http_version() != "1.0" and self.parser.should_keep_alive()
            self.cycle: Any = Prediction(self, self.url, keep_alive)

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        if type(self.cycle) is Prediction:
            self.cycle.body += body
            self._body += len(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The body is there."""
        if type(self.cycle) is Prediction:
            self._is_partial = False
            self.cycle.start()
        else:
            super().on_message_complete()

    def _is_plain(self) -> bool:
        """Whether it is a body to post, of a known and permitted length, that is no form."""
        if self.parser.get_method() != b"POST" or self.expect_100_continue or self.parser.should_upgrade():
            return False
        given = dict(self.headers)
        length = given.get(b"content-length", b"")
        if not length.isdigit() or int(length) > self.max_body:
            return False
        if b"describe" in given or b"content-encoding" in given:
            return False
        kind = given.get(b"content-type", JSON)
        return kind == JSON or not is_form(kind)


def protocol_for(fleet: Fleet, max_body: int, connections: int) -> type[Protocol]:
    """The protocol that answers predictions from ``fleet``; ``connections``: at once."""
    return type("FleetProtocol", (Protocol,), {"fleet": fleet, "max_body": max_body, "most": connections})
