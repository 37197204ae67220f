"""Seconds and peak memory of the stages before a fit, by the size of the log and the type of its file.

    python -m benchmarks.scale

measures every log in a process of its own and writes docs/scale.md. With ``--data``, one log is measured.
"""

from __future__ import annotations

import json
import logging
import math
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import tyro
from pyarrow import csv, parquet

from training.checks import check
from training.config import preset
from training.data import load, planted, split
from training.interactions import encode

from .tables import ROOT, fill, markdown, named

RESULTS = Path(__file__).with_suffix(".json")
SCALE_PAGE = ROOT / "docs/scale.md"
SIZES = ("1m", "5m", "25m")
LARGEST = SIZES[-1]
FILES = {"CSV": "ratings.csv", "CSV.gz": "ratings.csv.gz", "Parquet with text ids": "ratings.parquet"}


@dataclass(frozen=True)
class Scale:
    """Read, hash, check, split and encode logs, and write docs/scale.md."""

    data: str | None = None
    """Measure this data set or ratings file alone, and print a line of JSON for each stage."""

    def run(self) -> None:
        """Measure."""
        logging.basicConfig(level=logging.WARNING)
        if self.data:
            measure(self.data)
            return
        results = {"date": time.strftime("%Y-%m-%d"), "machine": f"{platform.machine()}, 2 cores"}
        results["logs"] = {size: _in_a_process(f"synthetic:{size}") for size in SIZES}
        with tempfile.TemporaryDirectory() as folder:
            files = {kind: write(Path(folder) / file, "text" in kind) for kind, file in FILES.items()}
            results["files"] = {kind: _in_a_process(str(file))["read"] for kind, file in files.items()}
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        fill(SCALE_PAGE, named(ON_THE_PAGE, results))


def measure(data: str) -> None:
    """Print ``seconds`` and ``peak_mb`` of each stage: the highest resident memory, less that before the first one."""
    before = resident("VmRSS")
    with measured("read", before) as rows:
        log = load(data)
        rows(len(log))
    settings = preset("quick", "fm", None)
    stages: dict[str, Callable[[], object]] = {
        "hash": lambda: log.sha256,
        "check": lambda: check(log, settings),
        "split": lambda: split(log, "random", 0),
        "encode": lambda: encode(log, use_features=True),
    }
    kept = []  # what a training keeps too
    for name, work in stages.items():
        with measured(name, before) as rows:
            kept.append(work())
            rows(len(log))


@contextmanager
def measured(name: str, before: int) -> Iterator[Callable[[int], None]]:
    """Print a line about the block, which gives the number of ratings to what it gets."""
    Path("/proc/self/clear_refs").write_text("5")  # sets VmHWM, the peak of the resident memory, back
    started = time.perf_counter()
    counts: list[int] = []
    yield counts.append
    seconds = round(time.perf_counter() - started, 3)
    peak = round((resident("VmHWM") - before) / 1e6)
    print(json.dumps({"stage": name, "ratings": counts[0], "seconds": seconds, "peak_mb": peak}), flush=True)


def resident(kind: str) -> int:
    """Bytes of resident memory of this process: now ("VmRSS"), or at most ("VmHWM")."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(kind))


def write(path: Path, text_ids: bool) -> Path:
    """The ratings of the largest log as another file; with ``text_ids`` its ids are "user-1", "movie-1" and so on."""
    with parquet.ParquetFile(planted.FOLDER / f"synthetic-{LARGEST}/ratings.parquet") as file:
        schema = file.schema_arrow
        if text_ids:
            for place in range(2):
                schema = schema.set(place, schema.field(place).with_type(pa.string()))
        writer = parquet.ParquetWriter if path.suffix == ".parquet" else csv.CSVWriter
        sink = pa.CompressedOutputStream(path, "gzip") if path.suffix == ".gz" else str(path)
        with writer(sink, schema) as out:
            for batch in file.iter_batches(500_000):
                table = pa.table(batch)
                for place, prefix in enumerate(("user-", "movie-") if text_ids else ()):
                    ids = pc.binary_join_element_wise(prefix, table[place].cast(pa.string()), "")
                    table = table.set_column(place, schema.field(place), ids)
                out.write_table(table)
        if path.suffix == ".gz":
            sink.close()
    return path


def _in_a_process(data: str) -> dict[str, dict[str, float]]:
    if data in planted.NAMES:
        load(data)  # makes it
    command = [sys.executable, "-m", "benchmarks.scale", "--data", data]
    lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    return {line["stage"]: line for line in map(json.loads, lines)}


def stage_seconds(results: dict) -> str:
    """Seconds of each stage by the size of the log, and the exponent of the growth between the two largest."""
    logs = [results["logs"][size] for size in SIZES]
    rows = [["stage", *(f"{log['read']['ratings']:,} ratings" for log in logs), "exponent"]]
    for name in logs[0]:
        seconds = [log[name]["seconds"] for log in logs]
        growth = logs[-1][name]["ratings"] / logs[-2][name]["ratings"]
        exponent = math.log(seconds[-1] / seconds[-2]) / math.log(growth)
        rows.append([name, *(f"{each:.2f} s" for each in seconds), f"{exponent:.2f}"])
    return markdown(rows)


def stage_memory(results: dict) -> str:
    """Peak memory of each stage by the size of the log, and bytes a rating of the largest."""
    logs = [results["logs"][size] for size in SIZES]
    rows = [["stage", *(f"{log['read']['ratings']:,} ratings" for log in logs), "bytes a rating, largest log"]]
    for name in logs[0]:
        largest = logs[-1][name]
        cells = (f"{log[name]['peak_mb']:,} MB" for log in logs)
        rows.append([name, *cells, f"{1e6 * largest['peak_mb'] / largest['ratings']:.0f}"])
    return markdown(rows)


def file_types(results: dict) -> str:
    """How the largest log is read from files of each type."""
    rows = [["file", "seconds", "ratings a second", "peak memory", "bytes a rating"]]
    for kind, read in {"Parquet": results["logs"][LARGEST]["read"], **results["files"]}.items():
        rate, bytes_each = read["ratings"] / read["seconds"], 1e6 * read["peak_mb"] / read["ratings"]
        rows.append([kind, f"{read['seconds']:.1f}", f"{rate:,.0f}", f"{read['peak_mb']:,} MB", f"{bytes_each:.0f}"])
    return markdown(rows)


ON_THE_PAGE = (stage_seconds, stage_memory, file_types)


def load_results() -> dict:
    """The committed results."""
    return json.loads(RESULTS.read_text())


if __name__ == "__main__":
    tyro.cli(Scale, description=__doc__).run()
