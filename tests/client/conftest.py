"""A server that gives the answers that a test wants."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
import pytest

HANGS_UP, BREAKS_OFF = 0, -1  # in the place of a status: no answer at all, and one that ends too early


class Misbehaving(ThreadingHTTPServer):
    """Gives the answers that it was told to give, the last one for ever, and counts the requests."""

    daemon_threads = True

    def __init__(self, answers: list[tuple[int, bytes]], pause: float = 0) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = itertools.chain(answers, itertools.repeat(answers[-1]))
        self.bodies: list[Any] = []
        self.headers: list[Any] = []
        self.let_go = threading.Event()
        self.pause = pause

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Misbehaving

    def do_POST(self) -> None:
        self.server.bodies.append(msgspec.json.decode(self.rfile.read(int(self.headers["Content-Length"]))))
        self.server.headers.append(self.headers)
        status, body = next(self.server.answers)
        self.server.let_go.wait(self.server.pause)
        if status == BREAKS_OFF:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body) + 1))
            self.end_headers()
            self.wfile.write(body)
        elif status:
            with contextlib.suppress(BrokenPipeError):  # a client that has given up
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def misbehaving() -> Iterator[Callable[..., Misbehaving]]:
    started = []

    def start(*answers: tuple[int, bytes], pause: float = 0) -> Misbehaving:
        server = Misbehaving(list(answers), pause)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        started.append((server, thread))
        return server

    yield start
    for server, thread in started:
        server.let_go.set()
        server.shutdown()
        server.server_close()
        thread.join()
