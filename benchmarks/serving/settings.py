"""What each setting is worth: our settings, and the same with one thing changed, in turns.

python -m benchmarks.serving.settings
"""

from __future__ import annotations

import json
import tempfile
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
import tyro

from serving.server import CONFIG, ROOT, properties

from . import servers
from .load import PEER, asked, drive, machine, medians
from .report import SETTINGS

CLIENTS = (64, 128)
FLAGS = properties(CONFIG)["vmargs"]
LOGS, COLLECTOR, *_ = FLAGS.split()
HANDLER, YAML = "recommender_handler.py", "model-config.yaml"


@dataclass
class Options:
    """How long to measure."""

    rounds: int = 3
    """Times that each variant is started; medians are reported."""
    seconds: int = 3
    """Of each load."""
    warm_up: int = 10
    """Seconds at 64 clients before the first load."""
    store: Path = ROOT / "model_store"
    """Archives of version 1.0."""
    build: Path = ROOT / "build"
    """What they were made from."""


@dataclass
class Variant:
    """Settings of the server that are others, and pieces of the archive's files that are replaced: file to old, new."""

    changed: dict[str, str] = field(default_factory=dict)
    replaced: dict[str, tuple[str, str]] = field(default_factory=dict)


REPORTER = "metrics.Reporter(self.service.tally, context.metrics, self.version, str(device)).start()"
TAKE_OVER = "            worker.take_over(self.answer_frames, self.version, context.metrics)"

VARIANTS = {
    "as they are": Variant(),
    "TorchServe's own log configuration": Variant({"vmargs": FLAGS.replace(LOGS, "").strip()}),
    "Java's own collector (G1)": Variant({"vmargs": FLAGS.replace(COLLECTOR, "").strip()}),
    "a heap as large as Java chooses": Variant({"vmargs": f"{LOGS} {COLLECTOR}"}),
    "TorchServe's own number of threads that read and write": Variant(
        {"number_of_netty_threads": "0", "netty_client_threads": "0"}
    ),
    "one thread that reads and writes": Variant({"number_of_netty_threads": "1"}),
    "batches of 32": Variant(replaced={YAML: ("batchSize: 64 ", "batchSize: 32 ")}),
    "batches of 128": Variant(replaced={YAML: ("batchSize: 64 ", "batchSize: 128 ")}),
    "a delay of 5 ms": Variant(replaced={YAML: ("maxBatchDelay: 1 ", "maxBatchDelay: 5 ")}),
    "two threads of torch": Variant(replaced={YAML: ("threads: 1 ", "threads: 2 ")}),
    "two workers": Variant(replaced={YAML: ("Workers: 1", "Workers: 2")}),
    "no metrics of the handler's": Variant(replaced={HANDLER: (REPORTER, "pass")}),
    "a metric line a request": Variant(
        replaced={
            HANDLER: (
                TAKE_OVER,
                "            add, answer = context.metrics.add_counter, self.answer_frames\n"
                "            self.answer_frames = lambda some: [add('Asked', 1) for _ in some] and answer(some)\n"
                + TAKE_OVER,
            )
        }
    ),
}


def changed(variant: Variant, files: Callable[[str], str]) -> dict[str, str]:
    """The files that a variant replaces, each from what ``files`` says it is. Raises ValueError for a missing piece."""
    found = {}
    for name, (old, new) in variant.replaced.items():
        text = files(name)
        if old not in text:
            raise ValueError(f"{name} has no {old!r} that could be replaced")
        found[name] = text.replace(old, new)
    return found


def measure(options: Options, work: Path) -> dict[str, dict[str, dict[str, float]]]:
    """Single pairs by variant and number of clients: medians over rounds in which each is started once."""
    load, mar = asked(PEER, options.build, "pairs"), options.store / f"{PEER}-1.0.mar"
    runs: dict[str, dict[str, list[dict[str, float]]]] = {}
    order = deque(VARIANTS)
    for number in range(options.rounds):
        for name in order:
            variant = VARIANTS[name]
            files = changed(variant, partial(servers.file_in, mar))
            archive = servers.repacked(mar, work / "variant.mar", files)
            with servers.torchserve(work / "settings", {PEER: archive}, changed=variant.changed) as server:
                url = f"{server.inference}/predictions/{PEER}"
                drive(url, load, 64, options.warm_up)
                for clients in CLIENTS:
                    found = drive(url, load, clients, options.seconds)
                    runs.setdefault(name, {}).setdefault(str(clients), []).append(found)
                    print(f"round {number + 1}: {name}, {clients} clients: {found}", flush=True)
        order.rotate(len(order) // options.rounds)  # what comes first in a round differs
    return {name: {clients: medians(runs[name][clients]) for clients in runs[name]} for name in VARIANTS}


def main(options: Options) -> None:
    """Measure and write the results."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="settings-") as folder:
        found: dict[str, Any] = measure(options, Path(folder))
    results = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine(),
        "rounds": options.rounds,
        "seconds": options.seconds,
        "settings": found,
    }
    SETTINGS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main(tyro.cli(Options))
