"""Minutes of mixed requests at many clients: nothing fails, nothing is answered otherwise than alone, memory is flat.

python -m benchmarks.serving.soak --minutes 10 --host asgi
"""

from __future__ import annotations

import json
import random
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import requests
import torch
import tyro

from handlers.recommender.api.answers import Answer
from handlers.recommender.loading import load_service
from handlers.recommender.model.model import Model
from serving.config import ROOT
from serving.management import Management
from serving.server import Host, Server

from . import servers
from .load import machine, same, wrk
from .report import SOAK

SCRIPT = Path(__file__).with_name("mixed.lua")
WARM_UP = 60  # seconds: the JVM's heap grows to its size


@dataclass
class Options:
    """What to ask, and how long."""

    host: Host = "torchserve"
    """The server."""
    minutes: float = 10
    clients: int = 128
    model: str = "deepfm"
    store: Path = ROOT / "model_store"
    """Archives of version 1.0."""
    build: Path = ROOT / "build"
    """What they were made from."""


def mixed(model: Model) -> list[bytes]:
    """Bodies drawn by a fixed seed: of twenty requests 14 pairs, 2 lists, 2 with unknown ids, a batch, a bad one."""
    rng = random.Random(0)
    users, movies = model.users.ids[1:], model.movies.ids[1:]
    bad = (b'{"user_id": ', b'{"user_id": 1, "film": 2}', b'{"user_id": 1, "movie_id": 2, "k": 3}', b"[]")

    def pair() -> dict[str, Any]:
        return {"user_id": rng.choice(users), "movie_id": rng.choice(movies)}

    bodies: list[bytes] = []
    for _ in range(100):
        good = [pair() for _ in range(14)]
        good += [{"user_id": rng.choice(users), "k": rng.randint(1, 20)} for _ in range(2)]
        good += [pair() | {"movie_id": "no such movie"}, pair() | {"user_id": "no such user"}]
        good += [{"instances": [pair() for _ in range(20)]}]
        some = [json.dumps(body).encode() for body in good] + [rng.choice(bad)]
        rng.shuffle(some)
        bodies += some
    return bodies


class Watch:
    """What is looked at while the load runs: sampled answers, the workers' process ids, resident memory."""

    def __init__(self, url: str, server: Server, bodies: Sequence[bytes], alone: Sequence[Answer]) -> None:
        self.url, self.process = url, server.process()
        self.management, self.model = Management(server.management), url.rpartition("/")[2]
        self.asked = cycle(zip(bodies, alone, strict=True))
        self.workers = self._workers()
        self.sampled = 0
        self.memory: list[tuple[float, float]] = []  # MB of the worker and of the server, about once a second

    def until(self, load: Future) -> None:
        """Look until the load has ended. Raises RuntimeError for an answer or a worker that is not as it should be."""
        with requests.Session() as session:
            while not load.done():
                for _ in range(10):
                    self._ask(session)
                if self._workers() != self.workers:
                    raise RuntimeError(f"the workers were {self.workers} and are {self._workers()}")
                in_workers = sum(psutil.Process(pid).memory_info().rss for pid in self.workers)
                self.memory.append((in_workers / 1e6, self.process.memory_info().rss / 1e6))
                time.sleep(1)

    def _ask(self, session: requests.Session) -> None:
        body, expected = next(self.asked)
        answer = session.post(self.url, data=body, headers={"Content-Type": "application/json"}, timeout=30)
        if answer.status_code != expected.code or not same(answer.json(), json.loads(expected.body)):
            raise RuntimeError(f"{body!r} is answered by {answer.status_code} {answer.text}, alone by {expected}")
        self.sampled += 1

    def _workers(self) -> set[int]:
        return {worker["pid"] for worker in self.management.describe(self.model)["workers"]}


def measure(options: Options, work: Path) -> dict[str, Any]:
    """Drive our server, and what came of it."""
    service = load_service(options.build / options.model)
    bodies = mixed(service.model)
    alone = [service.answer([body])[0] for body in bodies]
    lines = work / "bodies"
    lines.write_bytes(b"\n".join(bodies))
    archives = {options.model: options.store / f"{options.model}-1.0.mar"}
    with servers.running(work / "soak", archives, options.host) as server, ThreadPoolExecutor(1) as pool:
        url = f"{server.inference}/predictions/{options.model}"
        wrk(url, options.clients, WARM_UP, lines, SCRIPT)
        watch = Watch(url, server, bodies, alone)
        load = pool.submit(wrk, url, options.clients, round(60 * options.minutes), lines, SCRIPT)
        try:
            watch.until(load)
        except BaseException:
            for child in psutil.Process().children():
                if child.name() == "wrk":
                    child.kill()  # or the pool would wait for all of its minutes
            raise
    minutes = np.array_split(np.array(watch.memory), max(1, round(options.minutes)))
    worker, rest = np.array([minute.mean(0) for minute in minutes]).round().astype(int).T.tolist()
    return load.result() | {"sampled": watch.sampled, "worker, MB": worker, "server, MB": rest}


def main(options: Options) -> None:
    """Measure, write the result, and fail where a request did."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        found = measure(options, Path(folder))
    results = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine(),
        "versions": {name: version(name) for name in ("torch", "torchserve", "uvicorn")},
        "minutes": options.minutes,
        "clients": options.clients,
        "model": options.model,
        **found,
    }
    print(json.dumps(results, indent=1))
    if found["failed"] or found["unanswered"]:
        raise SystemExit(f"{found['failed']} answers of 500 and above, {found['unanswered']} requests without one")
    SOAK.write_text(json.dumps(json.loads(SOAK.read_text()) | {options.host: results}, indent=1) + "\n")


if __name__ == "__main__":
    main(tyro.cli(Options))
