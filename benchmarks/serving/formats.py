"""A network as TorchScript and as programs of torch.export: size of its file, load, memory, and time of answers.

    python -m benchmarks.serving.formats --build build

Each measurement is a process of its own. Load and memory are those of a worker after torch is imported; times are
seconds of the processor, with one thread, so that other programs on the machine matter less.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import torch
import tyro

from archives.contents import NETWORKS
from archives.pack import lay_out
from handlers.recommender.api.service import Service
from handlers.recommender.loading import load_configured
from training.config import MODELS
from training.programs import write_programs

RESULTS = Path(__file__).with_suffix(".json")
ROUNDS = 100
ONE = "--one"  # the word by which this program measures one folder, for itself


@dataclass(frozen=True)
class Options:
    """Measure all models in both formats."""

    build: Path = Path("build")
    repeats: int = 5


def main() -> None:
    """Print and write the medians."""
    options = tyro.cli(Options)
    results: dict[str, Any] = {}
    for model in MODELS:
        with tempfile.TemporaryDirectory() as work:
            folders = _laid_out(options.build / model, Path(work))
            found: dict[str, list[dict[str, float]]] = {name: [] for name in folders}
            for _ in range(options.repeats):
                for name, folder in folders.items():  # in turns
                    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.serving.formats", ONE, str(folder)]
                    found[name].append(json.loads(subprocess.run(command, check=True, capture_output=True).stdout))
        results[model] = {
            name: {key: round(median(one[key] for one in runs), 4) for key in runs[0]} for name, runs in found.items()
        }
        print(model, json.dumps(results[model], indent=1), flush=True)
    RESULTS.write_text(json.dumps({"torch": torch.__version__, "models": results}, indent=1) + "\n")


def _laid_out(source: Path, work: Path) -> dict[str, Path]:
    """Unpacked archives of a model by format."""
    folders = {}
    for name, suffix in NETWORKS.items():
        folders[name] = work / name
        lay_out(source, folders[name])
        if suffix == NETWORKS["export"]:
            write_programs(folders[name])
            (folders[name] / f"{source.name}{NETWORKS['torchscript']}").unlink()
    return folders


def measure(folder: Path) -> dict[str, float]:
    """Kilobytes, seconds and MB of one worker, and milliseconds of its answers."""
    (network,) = folder.glob("*.pt*")
    process = psutil.Process()
    before, started = process.memory_full_info().uss, time.process_time()
    service = load_configured(folder, {}, torch.device("cpu"))
    loaded, after = time.process_time() - started, process.memory_full_info().uss
    requests = _requests(service)
    return {
        "file_kb": network.stat().st_size / 1000,
        "load_s": loaded,
        "memory_mb": (after - before) / 1e6,
    } | {f"{name}_ms": _milliseconds(service, body) for name, body in requests.items()}


def _requests(service: Service) -> dict[str, bytes]:
    users, movies = service.model.users.ids, service.model.movies.ids
    ratings = [{"movie_id": movies[row], "rating": 1 + row % 5} for row in range(1, 21)]
    bodies: dict[str, Any] = {
        "pair": {"user_id": users[1], "movie_id": movies[1]},
        "pair_of_a_new_user": {"ratings": ratings, "movie_id": movies[30]},
        "list": {"user_id": users[1], "k": 10},
        "list_explained": {"user_id": users[1], "k": 10, "explain": True},
    }
    return {name: json.dumps(body).encode() for name, body in bodies.items()}


def _milliseconds(service: Service, body: bytes) -> float:
    times = []
    for _ in range(ROUNDS):
        started = time.process_time()
        (answer,) = service.answer([body])
        times.append(time.process_time() - started)
        assert answer.code == 200, answer.body
    return 1000 * median(times)


if __name__ == "__main__":
    if ONE in sys.argv:
        print(json.dumps(measure(Path(sys.argv[-1]))))
    else:
        main()
