"""How long a large archive takes from its folder to its first answer, what a worker of it holds, and how it answers.

python -m benchmarks.serving.size [--string-ids]

A generated model (generated.py) is packed, verified, registered with a TorchServe that serves a model of MovieLens
100K's size, and waited for. Then both are asked in turns.
"""

from __future__ import annotations

import json
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import requests
import tyro

from archives.contents import file_name
from archives.ids import MOVIES, USERS, ids_in
from archives.pack import archive
from archives.verify import verify_into
from serving.config import ROOT
from serving.server import Server
from serving.versions import BY_HAND, Versions

from . import servers
from .generated import generate
from .load import Load, drive, machine, medians

MODEL = "mf"
SMALL, LARGE = "1.0", "2.0"
RESULTS = ROOT / "benchmarks" / "serving" / "size.json"


@dataclass
class Options:
    """What to generate, and how long to measure."""

    users: int = 10_000_000
    movies: int = 1_000_000
    string_ids: bool = False
    rounds: int = 5
    """Times that each load is driven; medians are reported."""
    seconds: int = 3
    """Of each load."""
    work: Path | None = None
    """Where 11 GB of files go; a temporary folder by default. A model that is there already is taken as it is."""


def measure(options: Options, work: Path) -> dict[str, Any]:
    """Seconds of each step, megabytes of each worker, and the answers' times by version, kind and clients."""
    large, small = work / "large", work / "small"
    for folder, users, movies in ((large, options.users, options.movies), (small, 943, 1682)):
        if not (folder / MODEL).exists():
            generate(folder / MODEL, users, movies, options.string_ids)
    first = archive(MODEL, SMALL, small, work / "store")
    with servers.torchserve(work / "server", {MODEL: first}) as server:
        archive(MODEL, SMALL, small, server.store)  # its ids are read below
        steps = _put_in(server, large)
        loads = {version: _loads(server.store / file_name(MODEL, version)) for version in (SMALL, LARGE)}
        # Two workers, so that pages of the archive count as shared where they can be.
        _scale(server, LARGE, 2)
        answers = _answers(server, loads, options)
        return {"seconds": steps, "workers, MB": dict(_memory(server)), "answers": answers}


def _put_in(server: Server, build: Path) -> dict[str, float]:
    versions, seconds = Versions(server, MODEL), {}

    @contextmanager
    def timed(step: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        seconds[step] = round(time.perf_counter() - started, 2)
        print(f"{step}: {seconds[step]} s", flush=True)

    with timed("pack"):
        made = archive(MODEL, LARGE, build, server.store)
    with timed("verify"), versions.new_folder(LARGE, BY_HAND) as folder:
        verify_into(folder, made, MODEL, LARGE, None)
    with timed("register"):
        versions.register(LARGE, BY_HAND, folder)
    with timed("ready"):
        versions.wait_until_ready(LARGE)
    return seconds | {"sum": round(sum(seconds.values()), 2)}


def _scale(server: Server, version: str, workers: int) -> None:
    url = f"{server.management}/models/{MODEL}/{version}"
    requests.put(url, params={"min_worker": workers, "synchronous": "true"}, timeout=120).raise_for_status()


def _loads(mar: Path) -> dict[str, Load]:
    rng = random.Random(0)
    users, movies = ids_in(mar, USERS), ids_in(mar, MOVIES)
    return {
        "pairs": Load([{"user_id": rng.choice(users), "movie_id": rng.choice(movies)} for _ in range(2000)]),
        "lists": Load([{"user_id": rng.choice(users), "k": 10} for _ in range(300)]),
    }


def _answers(server: Server, loads: dict[str, dict[str, Load]], options: Options) -> dict[str, dict[str, float]]:
    url: Callable[[str], str] = f"{server.inference}/predictions/{MODEL}/{{}}".format
    runs: dict[str, list[dict[str, float]]] = {}
    for version, by_kind in loads.items():
        drive(url(version), by_kind["pairs"], 64, 3 * options.seconds)
    for _ in range(options.rounds):
        for kind, clients in (("pairs", 1), ("pairs", 64), ("lists", 1)):
            for version, by_kind in loads.items():
                found = drive(url(version), by_kind[kind], clients, options.seconds)
                runs.setdefault(f"{kind}, {clients} clients, {version}", []).append(found)
    return {name: medians(found) for name, found in runs.items()}


def _memory(server: Server) -> Iterator[tuple[str, float]]:
    """Of each worker, what it does not share: of the small archive one, of the large archive the larger of two."""
    for described in Versions(server, MODEL).management.versions(MODEL):
        unshared = [psutil.Process(worker["pid"]).memory_full_info().uss / 1e6 for worker in described["workers"]]
        yield described["modelVersion"], round(max(unshared), 1)


def main(options: Options) -> None:
    """Measure and write the results."""
    with tempfile.TemporaryDirectory(prefix="size-", dir=options.work) as folder:
        found = measure(options, options.work or Path(folder))
    kind = "strings" if options.string_ids else "integers"
    before = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results = before | {
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine(),
        kind: {"users": options.users, "movies": options.movies} | found,
    }
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    print(json.dumps(results[kind], indent=1))


if __name__ == "__main__":
    main(tyro.cli(Options))
