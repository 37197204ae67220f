"""TorchServe and our own server (serving/asgi) on the same archive, beside Mosec and plain ASGI, in turns.

A busy machine changes what a second is worth by a factor of three. So the CPU time of each request stands beside the
rate.

python -m benchmarks.serving.hosts
"""

from __future__ import annotations

import json
import tempfile
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import torch
import tyro

from archives.unpack import unpack
from serving.config import ROOT

from . import servers
from .load import check, drive, machine, medians, sample_load
from .servers import PEER

RESULTS = Path(__file__).with_name("hosts.json")
CLIENTS = (1, 64, 256)


@dataclass
class Options:
    """How long to measure."""

    rounds: int = 3
    """Times that each server is started; medians are reported."""
    seconds: int = 3
    """Of each load."""
    warm_up: int = 8
    """Seconds at 64 clients before the first load."""
    store: Path = ROOT / "model_store"
    """Archives of version 1.0."""
    build: Path = ROOT / "build"
    """What they were made from."""


def contestants(options: Options, work: Path) -> dict[str, Callable[[], AbstractContextManager[str]]]:
    """What to measure by name: each starts a server and gives the address of its predictions."""
    mar, build = options.store / f"{PEER}-1.0.mar", options.build / PEER
    (work / "unpacked").mkdir()
    unpack(mar, work / "unpacked")

    @contextmanager
    def torchserve() -> Any:
        with servers.running(work / "torchserve", {PEER: mar}, "torchserve") as server:
            yield f"{server.inference}/predictions/{PEER}"

    return {
        "TorchServe, `throughput`": torchserve,
        "our server, 1 worker": lambda: servers.asgi(work / "one", mar),
        "our server, 2 workers": lambda: servers.asgi(work / "two", mar, workers=2),
        "our application under uvicorn": lambda: servers.plain_asgi("uvicorn", work / "unpacked"),
        "our application under granian": lambda: servers.plain_asgi("granian", work / "unpacked"),
        "Mosec, batch 64, wait 2 ms, our encodings and kernel": lambda: servers.mosec(build, "kernel"),
    }


def family(url: str) -> list[psutil.Process]:
    """The processes of the server that listens at ``url``: of this process's child that it belongs to, if it does."""
    port = urlsplit(url).port
    (listening, *_) = (c.pid for c in psutil.net_connections("tcp") if c.laddr.port == port and c.status == "LISTEN")
    line = [psutil.Process(listening), *psutil.Process(listening).parents()]
    here = psutil.Process()
    top = line[line.index(here) - 1] if here in line else line[0]
    return [top, *top.children(recursive=True)]


def cpu_seconds(processes: list[psutil.Process]) -> float:
    """What these processes have used so far."""
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def measure(options: Options, work: Path) -> dict[str, dict[str, Any]]:
    """Single pairs by server and number of clients: medians over rounds in which each is started once."""
    load, starts = sample_load(PEER, options.build, "pairs"), contestants(options, work)
    order, runs, others = deque(starts), {name: {} for name in starts}, {name: [] for name in starts}
    for number in range(options.rounds):
        for name in order:
            begun = time.perf_counter()
            with starts[name]() as url:
                others[name].append({"ready_s": time.perf_counter() - begun, "errors": 0})
                check(url, load)
                drive(url, load, 64, options.warm_up)
                processes = family(url)
                for clients in CLIENTS:
                    before = cpu_seconds(processes)
                    found = drive(url, load, clients, options.seconds)
                    used = cpu_seconds(processes) - before
                    found["cpu_us"] = 1e6 * used / (options.seconds * found["requests_per_second"])
                    runs[name].setdefault(str(clients), []).append(found)
                    print(f"round {number + 1}: {name}, {clients} clients: {found}", flush=True)
                others[name][-1]["unshared_mb"] = sum(one.memory_full_info().uss for one in processes) / 1e6
        order.rotate(len(order) // options.rounds)  # what comes first in a round differs
    return {
        name: {**medians(others[name]), "clients": {n: medians(found) for n, found in by.items()}}
        for name, by in runs.items()
    }


def main(options: Options) -> None:
    """Measure and write the results."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="hosts-") as folder:
        found = measure(options, Path(folder))
    results = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine(),
        "versions": {name: version(name) for name in ("torch", "torchserve", "uvicorn", "granian", "mosec")},
        "rounds": options.rounds,
        "seconds": options.seconds,
        "hosts": found,
    }
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main(tyro.cli(Options))
