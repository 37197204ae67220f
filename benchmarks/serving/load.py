"""Drives a server with wrk, after its answers were checked."""

from __future__ import annotations

import json
import os
import platform
import random
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import requests

from handlers.recommender.loading import load_service

SCRIPT = Path(__file__).with_name("load.lua")


@dataclass(frozen=True)
class Load:
    """Requests that are sent in turn, and how to find out that an answer is right."""

    bodies: Sequence[dict[str, Any]]
    expected: Sequence[Any] | None = None  # what each answer must be, scores within 1e-4


def sample_load(model: str, build: Path, kind: str) -> Load:
    """Requests about known users and movies, drawn by a fixed seed, with the answers of the handler's flow."""
    service = load_service(build / model)
    rng = random.Random(0)
    users, movies = service.model.users.ids[1:], service.model.movies.ids[1:]

    def pair() -> dict[str, Any]:
        return {"user_id": rng.choice(users), "movie_id": rng.choice(movies)}

    if kind == "pairs":
        bodies = [pair() for _ in range(2000)]
    elif kind == "lists":
        bodies = [{"user_id": rng.choice(users), "k": 10} for _ in range(2000)]
    else:
        bodies = [{"instances": [pair() for _ in range(1000)]} for _ in range(20)]
    first = [json.dumps(body).encode() for body in bodies[:50]]
    return Load(bodies, [json.loads(answer.body) for answer in service.answer(first)])


def check(url: str, load: Load, most: int = 50) -> None:
    """Ask the first requests alone. Raises RuntimeError for an answer that is not what is expected."""
    session = requests.Session()
    for body, expected in list(zip(load.bodies, load.expected or [], strict=False))[:most]:
        answer = session.post(url, json=body, timeout=30).json()
        if not same(answer, expected):
            raise RuntimeError(f"{url} answers {body} by {answer}, expected {expected}")


def same(found: Any, expected: Any) -> bool:
    """Whether two answers are alike, scores within 1e-4."""
    if isinstance(expected, float):
        return abs(found - expected) <= 1e-4
    if isinstance(expected, dict):
        return found.keys() == expected.keys() and all(same(found[key], expected[key]) for key in expected)
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(same, found, expected))
    return found == expected


def drive(url: str, load: Load, clients: int, seconds: int) -> dict[str, float]:
    """``requests_per_second``, ``p50_ms``, ``p99_ms`` and ``errors`` of so many clients."""
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as bodies:
        bodies.writelines(json.dumps(body) + "\n" for body in load.bodies)
        bodies.flush()
        return wrk(url, clients, seconds, Path(bodies.name))


def wrk(url: str, clients: int, seconds: int, bodies: Path, script: Path = SCRIPT) -> dict[str, float]:
    """What ``script`` prints at the end, after so many clients have sent the lines of ``bodies`` in turn."""
    command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--timeout", "30s", "-s", str(script), url]
    environment = os.environ | {"BODIES": str(bodies), "LOAD": str(SCRIPT)}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(result.stdout.splitlines()[-1])


def medians(runs: list[dict[str, float]]) -> dict[str, float]:
    """Of each value; errors add up."""
    found = {name: round(median(run[name] for run in runs), 3) for name in runs[0]}
    return found | {"errors": sum(run["errors"] for run in runs)}


def machine() -> str:
    """What the load ran on."""
    return f"{platform.machine()}, {psutil.cpu_count()} cores, the load generator on the same ones"
