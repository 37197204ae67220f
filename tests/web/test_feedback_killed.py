"""A gateway that is killed while it stores events: what it has acknowledged is there."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from feedback.store import Store
from tests.feedback.conftest import event
from tests.web.conftest import PATIENCE
from web.app import STATIC

CLIENTS, EVENTS = 8, 5  # events of a request


class Describing(BaseHTTPRequestHandler):
    """In TorchServe's place: describes a model, and has nobody's history."""

    def do_POST(self) -> None:
        asked = self.rfile.read(int(self.headers["Content-Length"]))
        status, answer = (404, {"type": "UnknownId"}) if asked else (200, {"scale": [1, 5]})
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("X-Model-Version", "1.0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Describing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield os.environ | {
            "TORCHSERVE_URL": f"http://127.0.0.1:{server.server_address[1]}",
            "EVENTS_URL": f"sqlite:///{tmp_path}/events.db",
            "EVENTS_RATE": "1000000/hour",
            "RATE": "1000000/minute",
            "MODELS": "fm",
            "TIMEOUT": str(PATIENCE),
        }
        server.shutdown()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def send(address: str, client: int, acknowledged: list[tuple[str, int]]) -> None:
    """Send requests until the gateway is gone; note which it has acknowledged, as user and number."""
    user = f"{client}"
    with httpx.Client(base_url=address, timeout=PATIENCE) as session:
        for number in range(1_000_000):
            event = {"user_id": user, "movie_id": "50", "type": "click"}
            events = [event | {"key": f"{number}-{part}"} for part in range(EVENTS)]
            try:
                answer = session.post("/api/feedback", json={"events": events})
            except httpx.HTTPError:
                return
            assert answer.json() == {"stored": EVENTS, "repeated": 0}
            acknowledged.append((user, number))


def test_what_was_acknowledged_survives_kill_9(environment: dict[str, str]) -> None:
    port, acknowledged = free_port(), []
    command = [sys.executable, "-m", "web", "--port", str(port)]
    with subprocess.Popen(command, cwd=STATIC.parents[1], env=environment, stdout=subprocess.PIPE) as gateway:
        assert gateway.stdout is not None
        gateway.stdout.readline()
        with httpx.Client(transport=httpx.HTTPTransport(retries=7), timeout=PATIENCE) as client:
            client.get(f"http://127.0.0.1:{port}/health")
        threads = [
            threading.Thread(target=send, args=(f"http://127.0.0.1:{port}", client, acknowledged))
            for client in range(CLIENTS)
        ]
        for thread in threads:
            thread.start()
        until = time.monotonic() + PATIENCE
        while len(acknowledged) < 20 * CLIENTS and time.monotonic() < until:
            time.sleep(0.01)
        gateway.send_signal(signal.SIGKILL)
        for thread in threads:
            thread.join()
    assert len(acknowledged) >= 20 * CLIENTS
    store = Store(environment["EVENTS_URL"])
    for client in range(CLIENTS):
        keys = {event.key for event in store.events_of(str(client), limit=10**6)}
        numbers = {number for user, number in acknowledged if user == str(client)}
        assert {f"{number}-{part}" for number in numbers for part in range(EVENTS)} <= keys
        assert len(keys) % EVENTS == 0, "a request was stored by halves"
    store.close()


def forget(user: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "web", "forget", user]
    return subprocess.run(command, cwd=STATIC.parents[1], env=environment, capture_output=True, text=True)


def test_forgetting_says_what_was_deleted_and_what_remains(environment: dict[str, str]) -> None:
    store = Store(environment["EVENTS_URL"])
    store.add_events([[event("196", "a"), event("196", "b"), event("197", "a")]])
    done = forget("196", environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[:2] == [
        "Deleted of user 196: 2 events, 0 lists that were shown.",
        "fm 1.0: its archive does not know this user.",
    ]
    assert "Remove the user's rows there" in done.stdout
    assert (len(store.events_of("196")), len(store.events_of("197"))) == (0, 1)
    store.close()


def test_a_store_that_cannot_forget_is_an_error_of_one_line(environment: dict[str, str]) -> None:
    done = forget("196", environment | {"EVENTS_URL": "postgresql://user:secret@127.0.0.1:1/events"})
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: postgresql://user:***@127.0.0.1:1/events cannot be used")
