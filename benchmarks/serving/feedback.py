"""How many events a second the gateway takes, what they cost, and whether all that it acknowledged is in its store.

TorchServe is not measured: something that answers every question by the same list stands in its place.

    python -m benchmarks.serving.feedback --seconds 20
"""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import requests

from benchmarks.tables import markdown
from serving.config import ROOT
from serving.ports import free_ports

EVENTS, LISTS = Path(__file__).with_suffix(".lua"), Path(__file__).with_name("shown.lua")
ENTRY = {"movie_id": 50, "title": "Star Wars", "year": 1977, "genres": ["Action", "Adventure", "Sci-Fi"], "score": 4.5}
ANSWER = json.dumps({"scale": [1, 5], "user_id": 196, "recommendations": [ENTRY] * 10}).encode()


@dataclass(frozen=True)
class Result:
    """Of one load: requests a second, the gateway's CPU seconds a thousand of them, and the 99th percentile."""

    rate: float
    cpu: float
    p99: str
    acknowledged: int


def stand_in(listener: socket.socket) -> None:
    """Answer whatever comes, in this process."""
    import asyncio

    head = f"HTTP/1.1 200 OK\r\nX-Model-Version: 1.0\r\nContent-Length: {len(ANSWER)}\r\n\r\n".encode()

    class Answering(asyncio.Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:
            self.transport, self.buffer = transport, b""

        def data_received(self, data: bytes) -> None:
            self.buffer += data
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            length = re.search(rb"content-length: *(\d+)", self.buffer[:end], re.IGNORECASE)
            if len(self.buffer) >= end + 4 + int(length[1] if length else 0):
                self.buffer = b""
                self.transport.write(head + ANSWER)

    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(Answering, sock=listener)
        await server.serve_forever()

    asyncio.run(serve())


@contextmanager
def standing_in() -> Iterator[str]:
    """The address of a process of its own that stands in for TorchServe."""
    listener = socket.create_server(("127.0.0.1", 0))
    below = os.fork()
    if below == 0:
        stand_in(listener)
        os._exit(0)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        os.kill(below, 15)
        os.waitpid(below, 0)


@contextmanager
def gateway(folder: Path, server: str, model: str) -> Iterator[tuple[str, psutil.Process]]:
    """A gateway before ``server``, with an empty store in ``folder``: its address and its process."""
    (port,) = free_ports(1)
    environment = os.environ | {
        "TORCHSERVE_URL": server,
        "EVENTS_URL": f"sqlite:///{folder}/events.db",
        "EVENTS_RATE": "1000000/hour",
        "RATE": "1000000000/minute",
        "MODELS": model,
    }
    command = [sys.executable, "-m", "web", "--port", str(port)]
    process = psutil.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        while True:
            try:
                requests.get(f"{address}/health", timeout=5)
                break
            except requests.ConnectionError:
                time.sleep(0.1)
        yield address, process
    finally:
        process.terminate()
        process.wait(20)


def load(address: str, process: psutil.Process, script: Path, seconds: float, *arguments: str) -> Result:
    before = sum(process.cpu_times()[:2])
    options = ["-t1", "-c32", f"-d{seconds}s", "--latency", "--timeout", "10s", "-s", str(script)]
    command = ["wrk", *options, address, "--", *arguments]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in said or "Socket errors" in said:
        raise RuntimeError(said)
    count = int(re.search(r"(\d+) requests in", said)[1])
    cpu = sum(process.cpu_times()[:2]) - before
    rate, p99 = (re.search(rf"{name}:? +(\S+)", said)[1] for name in ("Requests/sec", "99%"))
    return Result(float(rate), 1000 * cpu / count, p99, count)


def stored(folder: Path) -> int:
    with sqlite3.connect(folder / "events.db") as connection:
        return connection.execute("SELECT count(*) FROM events").fetchone()[0]


def main() -> None:
    parser = argparse.ArgumentParser(description="The gateway under events.")
    parser.add_argument("--seconds", type=int, default=20)
    seconds = parser.parse_args().seconds
    rows: list[list[object]] = [["requests", "a second", "events a second", "CPU s a 1,000 requests", "p99"]]
    with (
        tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder,
        standing_in() as server,
        gateway(Path(folder), server, "fm") as (address, process),
    ):
        acknowledged = 0
        for size in (1, 20, 100):
            result = load(address, process, EVENTS, seconds, str(size))
            acknowledged += size * result.acknowledged
            cells = [f"{result.rate:,.0f}", f"{size * result.rate:,.0f}", f"{result.cpu:.2f}", result.p99]
            rows.append([f"{size} events", *cells])
            print(rows[-1], f"{acknowledged:,} acknowledged, {stored(Path(folder)):,} stored", flush=True)
            if stored(Path(folder)) < acknowledged:
                raise RuntimeError("events that were acknowledged are not in the store")
        result = load(address, process, LISTS, seconds)
        rows.append(["a list of 10", f"{result.rate:,.0f}", "", f"{result.cpu:.2f}", result.p99])
    print(markdown(rows))


if __name__ == "__main__":
    main()
