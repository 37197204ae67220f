"""Seconds and peak memory of the stages before a fit, by the size of the log: ``python -m benchmarks.scale --help``."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import tyro

from training.checks import check
from training.config import preset
from training.data import load, split
from training.interactions import encode


@dataclass(frozen=True)
class Scale:
    """Read, hash, check, split and encode a log, and print a line of JSON for each stage.

    ``peak_bytes_per_rating`` is the highest resident memory within the stage, less the memory before the first stage.
    """

    data: str = "synthetic:1m"
    """A data set, or a ratings file's path."""
    movies: Path | None = None
    """The movies file that goes with a ratings file."""

    def run(self) -> None:
        """Measure, in this process."""
        logging.basicConfig(level=logging.WARNING)
        before = _resident("VmRSS")
        with _measured("read", before) as rows:
            log = load(self.data, movies=self.movies)
            rows(len(log))
        settings = preset("quick", "fm", None)
        stages: dict[str, Callable[[], object]] = {
            "hash": lambda: log.sha256,
            "check": lambda: check(log, settings),
            "split": lambda: split(log, "random", 0),
            "encode": lambda: encode(log, use_features=True),
        }
        kept = []
        for name, work in stages.items():
            with _measured(name, before) as rows:
                kept.append(work())
                rows(len(log))


@contextmanager
def _measured(name: str, before: int) -> Iterator[Callable[[int], None]]:
    Path("/proc/self/clear_refs").write_text("5")  # sets VmHWM, the peak of the resident memory, back
    started = time.perf_counter()
    counts: list[int] = []
    yield counts.append
    seconds = time.perf_counter() - started
    rows, peak = counts[0], _resident("VmHWM") - before
    line = {
        "stage": name,
        "ratings": rows,
        "seconds": round(seconds, 2),
        "ratings_per_second": round(rows / seconds),
        "peak_mb": round(peak / 1e6),
        "peak_bytes_per_rating": round(peak / rows, 1),
    }
    print(json.dumps(line), flush=True)


def _resident(kind: str) -> int:
    """Bytes of resident memory of this process: now ("VmRSS"), or at most ("VmHWM")."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(kind))


if __name__ == "__main__":
    tyro.cli(Scale).run()
