"""Prometheus metrics under TorchServe's names, so that the same alerts and dashboard hold for both hosts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

Labels = tuple[tuple[str, str], ...]


class Metrics(Collector):
    """Sums what the workers have counted, over all of them and over their restarts."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, Labels]] = Counter()
        self._gauges: dict[tuple[str, Labels], float] = {}
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def add(self, taken: dict[str, Any]) -> None:
        """Add what a worker has counted since the last time (``Control.take``)."""
        for code, count in taken["codes"].items():
            self._counts[f"Requests{code // 100}XX", (("Level", "Host"),)] += count
        for one in taken["versions"]:
            names = (("model_name", one["model"]), ("model_version", one["version"]))
            self._counts["ts_inference_requests_total", names] += sum(one["codes"].values())
            self._counts["ts_inference_latency_microseconds", names] += 1e6 * one["seconds"].get("all", 0)
            self._counts["ts_queue_latency_microseconds", names] += 1e6 * one["seconds"].get("queue", 0)
            for code, count in one["codes"].items():
                self._counts[f"Requests{code // 100}XX", (("Level", "Host"),)] += count
            model = (("Level", "Model"), ("ModelName", one["model"]), ("ModelVersion", one["version"]))
            for name, labels, value in one["counts"]:
                self._counts[name, (*model, *labels.items())] += value
            self._gauges["RecommenderDevice", (("Device", one["device"]), *model)] = 1

    def worker_loaded(self, name: str, seconds: float) -> None:
        """Set how long a worker took to start: the number changes when it starts again."""
        self._gauges["WorkerLoadTime", (("Level", "Host"), ("WorkerName", name))] = round(1000 * seconds, 1)

    def text(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """The metrics, as prometheus_client asks for them."""
        # TorchServe's counters do not end in _total, which prometheus_client adds to a counter: they have no type here.
        for kind, values in (("unknown", self._counts), ("gauge", self._gauges)):
            by_name: dict[str, Metric] = {}
            for (name, labels), value in sorted(values.items()):
                metric = by_name.setdefault(name, Metric(name, name, kind))
                metric.add_sample(name, dict(labels), value)
            yield from by_name.values()
