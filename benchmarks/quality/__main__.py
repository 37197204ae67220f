"""Our models beside other libraries, on the same splits, on one thread of this machine.

make benchmark-quality ARGS="--ml-1m FOLDER --gowalla FILE"
"""

from __future__ import annotations

import platform
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import psutil
import torch
import tyro
from threadpoolctl import threadpool_limits

from training.data import RatingsLog, load

from . import later, ranking, ratings, reach, similar
from .records import Records, Task
from .report import RESULTS

TABLES = {
    "ratings": ratings.tasks,
    "later_ratings": ratings.later_tasks,
    "ranking": ranking.tasks,
    "later": later.tasks,
    "similar": similar.tasks,
    "reach": reach.tasks,
}
LIBRARIES = ("torch", "numpy", "scikit-surprise", "myfm", "implicit", "lightfm", "torch-geometric", "optuna")


@dataclass
class Options:
    """What to measure; what is in the results already is not measured again."""

    table: tuple[str, ...] = tuple(TABLES)
    """Of these tables."""
    data: tuple[str, ...] = ("ml-100k", "ml-1m", "gowalla")
    """On these data sets."""
    name: str = ""
    """Contestants with this in their name."""
    split: str = ""
    """Of this split: u1 to u5, random."""
    seed: tuple[int, ...] = ()
    """With these seeds (all by default)."""
    ml_1m: Path | None = None
    """A folder with MovieLens 1M as ratings.csv.gz, users.csv, movies.csv; else data/ml-1m, where it was fetched."""
    gowalla: Path | None = None
    """A file with the training part of Gowalla's standard split: pairs of user_id and movie_id."""
    again: bool = False
    """Measure also what is in the results."""
    list: bool = False
    """Say what would be measured, and do nothing."""
    results: Path = RESULTS
    """Where the records are."""


def log_of(data: str, options: Options) -> RatingsLog | None:
    """A log, or None where it is not on this machine and not fetched by itself."""
    if data == "ml-1m" and options.ml_1m is not None:
        files = {name: options.ml_1m / f"{name}.csv" for name in ("users", "movies")}
        return load(ratings=options.ml_1m / "ratings.csv.gz", **files)
    if data == "gowalla":
        return load(ratings=options.gowalla) if options.gowalla is not None else None
    if data == "ml-1m" and not Path("data/ml-1m").exists():
        return None
    return load(data)


def wanted(options: Options) -> Iterator[Task]:
    for data in options.data:
        log = log_of(data, options)
        if log is None:
            print(f"{data} is not here: give --gowalla FILE, or --ml-1m FOLDER (or make data DATA=ml-1m)")
            continue
        for table in options.table:
            if not log.has_ratings and table != "ranking":
                continue
            for task in TABLES[table](log, data):
                named = options.name in task.name and task.split.startswith(options.split)
                if named and (not options.seed or task.seed in options.seed):
                    yield task


def about() -> dict:
    """The machine and the versions."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "")
    return {
        "machine": f"{platform.machine()}, {psutil.cpu_count()} cores ({cpu}), one thread",
        "versions": {name: version(name) for name in LIBRARIES},
    }


def main(options: Options) -> None:
    """Measure what is missing, one record at a time; what fails is left missing, and named at the end."""
    torch.set_num_threads(1)
    threadpool_limits(1)
    records = Records(options.results, about())
    missing = [task for task in wanted(options) if options.again or not records.has(task)]
    print(f"{len(missing)} to measure", flush=True)
    failed = []
    for number, task in enumerate(missing, 1):
        print(f"{number} of {len(missing)}: {task}", flush=True)
        if options.list:
            continue
        try:
            found = task.measure()
            records.add(task, found)
            print(f"   {found}", flush=True)
        except Exception:  # hours of other measurements wait behind this one
            traceback.print_exc()
            failed.append(str(task))
    if failed:
        sys.exit("\n".join(["failed:", *failed]))


if __name__ == "__main__":
    main(tyro.cli(Options))
