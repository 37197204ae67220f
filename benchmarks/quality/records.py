"""What has been measured, one record a measurement, saved as it comes: a run that was cut off goes on where it was."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Record = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """One measurement: what makes it another one than the rest, and how it is made.

    ``settings``: what the contestant is run with. A record that was made with others no longer counts, so that a
    changed preset or grid is measured again.
    """

    table: str
    data: str
    split: str
    name: str
    seed: int
    settings: Any
    measure: Callable[[], Record]

    @property
    def key(self) -> tuple[str, str, str, str, int]:
        return self.table, self.data, self.split, self.name, self.seed

    def __str__(self) -> str:
        return f"{self.table}, {self.data} {self.split}: {self.name}, seed {self.seed}"


class Records:
    """The records of a file. ``about``: machine and versions, which all of them have in common.

    Raises ValueError for a file that was measured elsewhere.
    """

    def __init__(self, path: Path, about: Record) -> None:
        self.path, self.about = path, _plain(about)
        self.by_key: dict[tuple, Record] = {}
        if path.exists():
            found = json.loads(path.read_text())
            for name, value in self.about.items():
                if found[name] != value:
                    raise ValueError(f"{path}: {name} was {found[name]}, is {value}. Give another --results")
            self.by_key = {_key(record): record for record in found["records"]}

    def has(self, task: Task) -> bool:
        record = self.by_key.get(task.key)
        return record is not None and record["settings"] == _kept(task.settings)

    def add(self, task: Task, found: Record) -> None:
        """Add or replace a record, and save all."""
        names = ("table", "data", "split", "name", "seed")
        self.by_key[task.key] = _plain(
            dict(zip(names, task.key, strict=True))
            | {"date": time.strftime("%Y-%m-%d"), "settings": _kept(task.settings)}
            | found
        )
        whole = self.about | {"records": [self.by_key[key] for key in sorted(self.by_key)]}
        temporary = self.path.with_name(f".{self.path.name}.tmp")
        temporary.write_text(json.dumps(whole, indent=1) + "\n")
        os.replace(temporary, self.path)

    def measure(self, tasks: Iterable[Task]) -> None:
        """Measure the tasks without a record, add what is found, and print it."""
        for task in tasks:
            if not self.has(task):
                found = task.measure()
                self.add(task, found)
                print(f"{task}: {found}", flush=True)


def _key(record: Record) -> tuple:
    return tuple(record[name] for name in ("table", "data", "split", "name", "seed"))


def _kept(settings: Any) -> Any:
    if not isinstance(settings, list):
        return _plain(settings)
    return f"{len(settings)} in grids.py, sha256 {hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:16]}"


def _plain(value: Any) -> Any:
    """As it is read back from JSON: tuples are lists."""
    return json.loads(json.dumps(value))


@contextmanager
def stopwatch(name: str = "fit") -> Iterator[Record]:
    """Puts ``<name>_s`` and ``<name>_cpu_s`` into the dictionary it gives: seconds on the clock, and of the processor.

    The machine may be shared, so the second is the one to compare.
    """
    found: Record = {}
    wall, cpu = time.perf_counter(), time.process_time()
    yield found
    found[f"{name}_s"] = round(time.perf_counter() - wall, 2)
    found[f"{name}_cpu_s"] = round(time.process_time() - cpu, 2)
