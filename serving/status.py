"""The status of a server as a table."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import requests
from rich.console import Console
from rich.table import Table

from archives.contents import default_name, version_in

from .server import Server


def show(server: Server) -> None:
    """Print models, versions, workers, devices and queues, and below them the server's counts of answers."""
    management = server.management_api()
    table = Table("model", "version", "default", "workers", "device", "queue", "batch")
    differing = []
    for model in management.models():
        default = management.describe(model)["modelVersion"]
        for version in management.versions(model):
            states = [worker["status"] for worker in version["workers"]]
            table.add_row(
                model,
                version["modelVersion"],
                "yes" if version["modelVersion"] == default else "",
                f"{states.count('READY')} of {len(states)} ready",
                _devices(version),
                str(version["jobQueueStatus"]["pendingRequests"]),
                str(version["batchSize"]),
            )
        on_disk = version_in(server.store / default_name(model))
        if on_disk != default:
            remedy = f"make rollout MODEL={model} VERSION={default} mends it"
            differing.append(f"{model} {default} answers, and {on_disk} would after a restart: {remedy}")
    console = Console()
    console.print(table, *differing, sep="\n")
    counts = answers(server)
    counted = ", ".join(f"{counts[kind]:.0f} {kind}" for kind in ("2XX", "4XX", "5XX"))
    console.print(f"answers since the start: {counted}")


def answering(server: Server) -> str:
    """Each model with its default version, and with those that answer by their number."""
    management = server.management_api()
    models = []
    for model in management.models():
        default = management.describe(model)["modelVersion"]
        others = [v["modelVersion"] for v in management.versions(model) if v["modelVersion"] != default]
        models.append(f"{model} {default}" + (f" (also {', '.join(others)})" if others else ""))
    return ", ".join(models) or "none"


def _devices(version: dict[str, Any]) -> str:
    """``cpu``, or the GPUs of the workers; TorchServe describes a worker's GPU as ``gpuId::0 ...``."""
    gpus = [re.search(r"gpuId::(\d+)", worker["gpuUsage"]) for worker in version["workers"] if worker["gpu"]]
    return ", ".join(f"gpu {found[1]}" if found else "gpu" for found in gpus) or version["deviceType"]


def answers(server: Server) -> Counter[str]:
    """How many answers the server has given, by the class of their status."""
    text = requests.get(f"{server.settings['metrics_address']}/metrics", timeout=10).text
    counts: Counter[str] = Counter()
    for kind, number in re.findall(r"^Requests(\dXX)\{.*\} (\S+)$", text, flags=re.MULTILINE):
        counts[kind] += float(number)
    return counts
