"""The handler's metrics as TorchServe's: printed at most once a second.

TorchServe takes metrics from lines that a worker prints, and parses each by a regular expression: a line for each
batch cost more than answering it.
"""

import threading
import time
from typing import Any

from ...api.metrics import DEVICE, Metric, Tally


class Reporter(threading.Thread):
    """Prints a worker's tally as TorchServe metrics, once a second while there is something to say.

    ``cache`` is TorchServe's metric cache. Each metric has the model's name and version.
    """

    def __init__(self, tally: Tally, cache: Any, version: str, device: str, interval: float = 1.0) -> None:
        super().__init__(name="metrics", daemon=True)
        self._tally = tally
        self._cache = cache
        self._version = version
        self._device = device
        self._interval = interval
        self._registered: dict[Metric, Any] = {}

    def run(self) -> None:
        """Report until the process ends."""
        self._report(DEVICE, self._device, 1)
        while True:
            time.sleep(self._interval)
            self.report()

    def report(self) -> None:
        """Print what has been counted since the last report."""
        for (metric, label), value in self._tally.take().items():
            self._report(metric, label, round(value, 3))

    def _report(self, metric: Metric, label: str, value: float) -> None:
        if metric not in self._registered:
            self._registered[metric] = self._register(metric)
        labels = [self._cache.model_name, self._version, "Model"] + ([label] if metric.label else [])
        self._registered[metric].add_or_update(value, labels)

    def _register(self, metric: Metric) -> Any:
        # Imported here, so that the tests of other modules do not need TorchServe.
        from ts.metrics.metric_type_enum import MetricTypes

        kind = MetricTypes.GAUGE if metric.is_gauge else MetricTypes.COUNTER
        labels = ["ModelName", "ModelVersion", "Level"] + ([metric.label] if metric.label else [])
        return self._cache.add_metric_to_cache(metric.name, metric.unit, labels, kind)
