"""What each setting is worth: our settings, and the same with one thing changed, in turns.

python -m benchmarks.serving.settings
"""

from __future__ import annotations

import json
import tempfile
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import tyro

from serving.config import CONFIG, ROOT, properties

from . import servers
from .load import drive, machine, medians, sample_load
from .report import SETTINGS
from .servers import PEER

CLIENTS = (64, 128)
FLAGS = properties(CONFIG)["vmargs"]
LOGS, COLLECTOR, *_ = FLAGS.split()


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
    """Settings that differ from ours: of the server (config.properties) and of the archive (model-config.yaml)."""

    server: dict[str, str] = field(default_factory=dict)
    archive: dict[str, Any] = field(default_factory=dict)


VARIANTS = {
    "as they are": Variant(),
    "TorchServe's own log configuration": Variant({"vmargs": FLAGS.replace(LOGS, "").strip()}),
    "Java's own collector (G1)": Variant({"vmargs": FLAGS.replace(COLLECTOR, "").strip()}),
    "a heap as large as Java chooses": Variant({"vmargs": f"{LOGS} {COLLECTOR}"}),
    "TorchServe's own number of threads that read and write": Variant(
        {"number_of_netty_threads": "0", "netty_client_threads": "0"}
    ),
    "one thread that reads and writes": Variant({"number_of_netty_threads": "1"}),
    "batches of 32": Variant(archive={"batchSize": 32}),
    "batches of 128": Variant(archive={"batchSize": 128}),
    "a delay of 5 ms": Variant(archive={"maxBatchDelay": 5}),
    "two threads of torch": Variant(archive={"handler": {"threads": 2}}),
    "two workers": Variant(archive={"minWorkers": 2, "maxWorkers": 2}),
}


def measure(options: Options, work: Path) -> dict[str, dict[str, dict[str, float]]]:
    """Single pairs by variant and number of clients: medians over rounds in which each is started once."""
    load, mar = sample_load(PEER, options.build, "pairs"), options.store / f"{PEER}-1.0.mar"
    runs: dict[str, dict[str, list[dict[str, float]]]] = {}
    order = deque(VARIANTS)
    for number in range(options.rounds):
        for name in order:
            variant = VARIANTS[name]
            archive = servers.repacked(mar, work / "variant.mar", servers.configured(mar, variant.archive))
            with servers.torchserve(work / "settings", {PEER: archive}, changed=variant.server) as server:
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
