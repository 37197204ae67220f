"""Seconds and peak memory of a training by its stages, by the size of the log; and of reading files of each type.

    python -m benchmarks.scale

trains each model on each log, and reads each file, in a process of its own, and writes docs/scale.md with its figure.
Results are kept as they come; ``--models mf --sizes 1m 5m`` measures these again and leaves the others.
"""

from __future__ import annotations

import json
import logging
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import tyro
from pyarrow import csv, parquet

from training.__main__ import parse
from training.config import MODELS
from training.data import load, planted

from . import scale_page
from .scale_page import SIZES
from .stages import measured

LARGEST = SIZES[-1]
FILES = {
    "Parquet": "integers.parquet",
    "CSV": "ratings.csv",
    "CSV.gz": "ratings.csv.gz",
    "Parquet with text ids": "texts.parquet",
}


@dataclass(frozen=True)
class Scale:
    """Train models on logs of several sizes, read files of several types, and write docs/scale.md."""

    models: tuple[str, ...] = MODELS
    """The models to train."""
    sizes: tuple[str, ...] = SIZES
    """The logs to train them on; 100m is possible too."""
    files: bool = True
    """Whether to measure reading as well."""
    threads: int = 2
    """Threads of a training."""
    one: str = ""
    """Measure in this process, and print a line of JSON: what "python -m training" is to do, or a file to read."""

    def run(self) -> None:
        """Measure."""
        logging.basicConfig(level=logging.WARNING)
        if self.one:
            print(json.dumps(measure(self.one)))
            return
        results = scale_page.load_results()
        results |= {"date": time.strftime("%Y-%m-%d"), "machine": f"{platform.machine()}, {self.threads} threads"}
        for model in self.models:
            for size in self.sizes:
                results["runs"].setdefault(model, {})[size] = _trained(model, size, self.threads)
                scale_page.save(results)
        if self.files:
            results["files"] = _read_files()
            scale_page.save(results)


def measure(what: str) -> dict[str, object]:
    """Stages of a training, or of reading a file: ``seconds`` and ``peak_mb``, by stage."""
    with measured() as stages:
        if Path(what).is_file():
            with tempfile.TemporaryDirectory(dir=Path(what).parent) as folder:  # where nothing is prepared yet
                ratings = len(load(what, folder=Path(folder)))
            return {"ratings": ratings} | stages.results()
        parse(what.split()).run()
    return stages.results()


def _trained(model: str, size: str, threads: int) -> dict[str, object]:
    """A training's stages, its ``ratings``, ``wall`` seconds, and metrics of its ``test`` rows."""
    name = f"synthetic:{size}"
    ratings, best = len(load(name)), planted.best_rmse(name)  # makes it, and its columns
    with tempfile.TemporaryDirectory() as folder:
        words = f"train {model} --data {name} --preset quick --threads {threads}"
        found = _in_a_process(f"{words} --build {folder}/build --runs {folder}/runs")
        metrics = json.loads(Path(folder, "build", model, "metrics.json").read_text())
    return {"ratings": ratings, "best_rmse": best, "test": metrics["test"]} | found


def _read_files() -> dict[str, dict[str, object]]:
    load(f"synthetic:{LARGEST}")  # makes it
    with tempfile.TemporaryDirectory(dir=planted.FOLDER) as folder:
        return {kind: _in_a_process(str(write(Path(folder) / file, "text" in kind))) for kind, file in FILES.items()}


def _in_a_process(what: str) -> dict[str, object]:
    command = [sys.executable, "-m", "benchmarks.scale", "--one", what]
    started = time.perf_counter()
    lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    return {"wall": round(time.perf_counter() - started, 1)} | json.loads(lines[-1])


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


if __name__ == "__main__":
    tyro.cli(Scale, description=__doc__).run()
