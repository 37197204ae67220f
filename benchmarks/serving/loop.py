"""Lists and events at once through the gateway, at given rates; whether all that was acknowledged is in its store.

    python -m benchmarks.serving.loop --host asgi --lists 1000 --events 2000 --seconds 600

Everything runs on this machine: the clients (wrk), the gateway with SQLite, and the server with a generated model.
"""

from __future__ import annotations

import json
import resource
import sqlite3
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import tyro

from archives.pack import archive
from benchmarks.tables import markdown
from serving.server import Host

from . import servers
from .feedback import gateway
from .generated import generate
from .hosts import cpu_seconds

SCRIPT = Path(__file__).with_name("paced.lua")
QUIET = 2  # seconds at the end in which nothing is sent


@dataclass
class Options:
    """What is sent."""

    host: Host = "asgi"
    lists: int = 1000
    """Lists of 10 a second, of users drawn at random."""
    events: int = 2000
    """Ratings a second, by users drawn at random."""
    batch: int = 20
    """Events of a request."""
    seconds: int = 60
    users: int = 100_000
    """Of the model, which knows all of them."""
    movies: int = 1682
    clients: int = 64
    """Connections for lists, and as many for events."""
    work: Path | None = None
    """Where the store and the archive go; a temporary folder by default."""

    @property
    def rates(self) -> dict[str, float]:
        """Requests a second."""
        return {"lists": self.lists, "events": self.events / self.batch}


def used(process: psutil.Process) -> float:
    """CPU seconds of a process and its children so far."""
    return cpu_seconds([process, *process.children(recursive=True)])


def clients(address: str, options: Options) -> dict[str, dict[str, Any]]:
    """What came of the lists and of the events, which are sent at once."""
    started = {}
    for kind, rate in options.rates.items():
        if rate:
            command = ["wrk", "-t1", f"-c{options.clients}", f"-d{options.seconds + QUIET}s", "--timeout", "10s"]
            command += ["-s", str(SCRIPT), address, "--", kind, str(rate), str(options.seconds)]
            command += [str(options.users), str(options.movies), str(options.batch)]
            started[kind] = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    return {kind: json.loads(process.communicate()[0].splitlines()[-1]) for kind, process in started.items()}


def stored(file: Path) -> tuple[int, int]:
    """The numbers of events and of impressions."""
    with sqlite3.connect(file) as connection:
        return tuple(connection.execute(f"SELECT count(*) FROM {of}").fetchone()[0] for of in ("events", "impressions"))


def measure(options: Options, work: Path) -> list[list[Any]]:
    generate(work / "build" / "mf", options.users, options.movies)
    made = archive("mf", "1.0", build=work / "build", store=work / "made")
    with (
        servers.running(work / "server", {"mf": made}, options.host) as server,
        gateway(work, server.inference, "mf") as (address, process),
    ):
        processes = {"gateway": process, "server": server.process()}
        begun = {name: used(one) for name, one in processes.items()}
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        sent = clients(address, options)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = {name: used(one) - begun[name] for name, one in processes.items()}
        cpu["clients"] = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        time.sleep(2)  # impressions are stored twice a second
    events, impressions = stored(work / "events.db")
    lists, batches = (sent.get(kind, {"requests": 0}) for kind in ("lists", "events"))
    for name, acknowledged, found in (
        ("events", options.batch * batches["requests"], events),
        ("lists", lists["requests"], impressions),
    ):
        print(f"{name}: {acknowledged:,} acknowledged, {found:,} stored", flush=True)
        if found < acknowledged:
            raise RuntimeError(f"{acknowledged} {name} were acknowledged, and {found} are in the store")
    rows: list[list[Any]] = [
        ["", "wanted a second", "answered a second", "errors", "p50, ms", "p99, ms", "longest, ms"]
    ]
    for kind, wanted in options.rates.items():
        if kind in sent:
            one = sent[kind]
            times = [f"{one[name]:.1f}" for name in ("p50_ms", "p99_ms", "max_ms")]
            rows.append([kind, f"{wanted:g}", f"{one['requests'] / options.seconds:.0f}", one["errors"], *times])
    print("CPU cores: " + ", ".join(f"{name} {seconds / options.seconds:.2f}" for name, seconds in cpu.items()))
    return rows


def main() -> None:
    options = tyro.cli(Options, description=__doc__)
    if options.work:
        options.work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.work) as work:
        print(markdown(measure(options, Path(work))))


if __name__ == "__main__":
    main()
