"""Every server in turn on the same network and the same dictionaries, driven by wrk on this machine.

make benchmark
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, Literal

import torch
import tyro
import yaml

from archives.contents import CONFIG, HANDLER
from archives.pack import config_of
from serving.config import MODELS, ROOT
from serving.versions import Versions

from . import catalogue, servers
from .load import check, drive, machine, medians, sample_load
from .report import RESULTS
from .servers import PEER

CLIENTS = (1, 16, 64, 128, 256)
WARM_UP = 20  # seconds at 64 clients before the first load: after 6 the JVM still compiles


@dataclass
class Options:
    """What to measure, and how long."""

    rounds: int = 3
    """Times that each server is started; medians are reported."""
    seconds: int = 3
    """Of each load."""
    parts: tuple[Literal["workers", "ours", "catalogue", "pairs"], ...] = ("workers", "ours", "catalogue", "pairs")
    """What to measure; the rest stays as it is in the results."""
    servers: tuple[str, ...] = ()
    """Of the servers of single pairs, those of these names (all where none is given); the others stay as well."""
    store: Path = ROOT / "model_store"
    """Archives of version 1.0."""
    build: Path = ROOT / "build"
    """What they were made from."""


def contestants(options: Options, work: Path) -> dict[str, Callable[[], AbstractContextManager[str]]]:
    """What to measure by name: each starts a server and gives the address of its predictions."""
    mar = options.store / f"{PEER}-1.0.mar"
    slow = servers.configured(mar, {"handler": {"fast_path": False}})
    unset = {CONFIG: yaml.safe_dump({"handler": yaml.safe_load(slow[CONFIG])["handler"]})}
    noop, documented = ((servers.PEERS / f"{name}_handler.py").read_text() for name in ("noop", "documented"))
    build = options.build / PEER

    def ours(name: str, files: dict[str, str], default_settings: bool = False) -> Callable:
        @contextmanager
        def start() -> Any:
            variant = servers.repacked(mar, work / f"{name}.mar", files)
            with servers.torchserve(work / name, {PEER: variant}, default_settings) as server:
                yield f"{server.inference}/predictions/{PEER}"

        return start

    return {
        "TorchServe as it comes": ours("default", unset | {HANDLER: documented}, default_settings=True),
        "our handler under TorchServe's own settings": ours("unset", unset, default_settings=True),
        "TorchServe, our settings without the fast path": ours("settings", slow),
        "ours, `throughput`": ours("throughput", {}),
        "ours, `latency`": ours("latency", {CONFIG: config_of("latency")}),
        "a no-op handler behind `throughput`": ours("noop", {HANDLER: noop}),
        "ours, without TorchServe": lambda: servers.asgi(work / "asgi", mar),
        "FastAPI, 1 worker": lambda: servers.fastapi(build, 1),
        "FastAPI, 2 workers": lambda: servers.fastapi(build, 2),
        "Mosec, batch 64, wait 2 ms": lambda: servers.mosec(build),
        "FastAPI, 2 workers, our encodings and kernel": lambda: servers.fastapi(build, 2, "kernel"),
        "Mosec, batch 64, wait 2 ms, our encodings and kernel": lambda: servers.mosec(build, "kernel"),
    }


def of_pairs(options: Options, work: Path) -> dict[str, Any]:
    """Single pairs: by server and number of clients, medians over rounds in which each is started once."""
    load, starts = sample_load(PEER, options.build, "pairs"), contestants(options, work)
    names = list(starts)
    if unknown := set(options.servers) - set(names):
        sys.exit(f"error: --servers {', '.join(unknown)}: choose among {', '.join(names)}")
    starts = {name: starts[name] for name in options.servers or names}
    runs: dict[str, dict[int, list[dict[str, float]]]] = {}
    for number in range(options.rounds):
        for name, start in starts.items():
            with start() as url:
                if "no-op" not in name:
                    check(url, load)
                drive(url, load, 64, WARM_UP)
                for clients in CLIENTS:
                    found = drive(url, load, clients, options.seconds)
                    runs.setdefault(name, {}).setdefault(clients, []).append(found)
                    print(f"round {number + 1}: {name}, {clients} clients: {found}", flush=True)
    known = json.loads(RESULTS.read_text())["pairs"] if options.servers else {}
    known |= {name: {str(n): medians(found) for n, found in by.items()} for name, by in runs.items()}
    return {name: known[name] for name in names if name in known}


def of_ours(options: Options, work: Path) -> dict[str, Any]:
    """What only ours answers: lists at 64 clients, and 1,000 pairs a request."""
    archives = {model: options.store / f"{model}-1.0.mar" for model in MODELS}
    found: dict[str, Any] = {"lists": {}, "instances": {}}
    with servers.torchserve(work / "ours", archives) as server:
        # What the first model's lists would otherwise pay alone: the JVM compiles what it runs often.
        for model in MODELS:
            drive(f"{server.inference}/predictions/{model}", sample_load(model, options.build, "pairs"), 64, WARM_UP)
        for model in MODELS:
            url = f"{server.inference}/predictions/{model}"
            for kind, clients in (("lists", 64), ("instances", 4)):
                load = sample_load(model, options.build, kind)
                check(url, load, 5)
                drive(url, load, clients, WARM_UP)
                rounds = [drive(url, load, clients, options.seconds) for _ in range(options.rounds)]
                found[kind][model] = medians(rounds)
                print(f"{kind} of {model}: {found[kind][model]}", flush=True)
    return found


def of_workers(options: Options, work: Path) -> dict[str, Any]:
    """Seconds from registration to an answer, and resident memory without shared pages, beside a no-op handler's."""
    mar, load = options.store / f"{PEER}-1.0.mar", sample_load(PEER, options.build, "pairs")
    noop = (servers.PEERS / "noop_handler.py").read_text()
    found: dict[str, list[dict[str, float]]] = {}
    for _ in range(options.rounds):
        for name, files in (("ours", {}), ("no-op", {HANDLER: noop})):
            with servers.torchserve(work / "worker", {}) as server:
                servers.repacked(mar, server.store / f"{PEER}-1.0.mar", files)
                started = time.perf_counter()
                Versions(server, PEER).register_and_wait("1.0")
                seconds = time.perf_counter() - started
                drive(f"{server.inference}/predictions/{PEER}", load, 64, 2)
                (worker,) = (
                    child for child in server.process().children() if "model_service_worker" in str(child.cmdline())
                )
                unshared = worker.memory_full_info().uss / 1e6
            found.setdefault(name, []).append({"ready, s": seconds, "unshared, MB": unshared})
    return {
        name: {what: round(median(run[what] for run in runs), 2) for what in runs[0]} for name, runs in found.items()
    }


def main(options: Options) -> None:
    """Measure everything and write the results."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        work = Path(folder)
        measured: dict[str, Callable[[], dict[str, Any]]] = {
            "workers": lambda: {"workers": of_workers(options, work)},
            "ours": lambda: of_ours(options, work),
            "catalogue": lambda: {"catalogue": {"movies": 1_000_000, **catalogue.measure(1_000_000, 15)}},
            "pairs": lambda: {"pairs": of_pairs(options, work)},
        }
        results = {
            **(json.loads(RESULTS.read_text()) if set(options.parts) < set(measured) else {}),
            "date": time.strftime("%Y-%m-%d"),
            "machine": machine(),
            "versions": {name: version(name) for name in ("torch", "torchserve", "mosec", "fastapi", "faiss-cpu")},
            "rounds": options.rounds,
            "seconds": options.seconds,
        }
        for part in options.parts:
            results |= measured[part]()
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    print(f"wrote {RESULTS}")


if __name__ == "__main__":
    main(tyro.cli(Options))
