"""What a worker does, counted in memory batch by batch and reported at most once a second.

TorchServe takes metrics from lines that a worker prints, and parses each by a regular expression: a line a batch cost
more than answering it.
"""

import threading
import time
from collections import Counter, defaultdict
from typing import Any

import numpy as np

PHASES = ("Decode", "Lookup", "Forward", "Encode")
SCORE_BUCKETS = 10

# The last dimension of those that have one beside model, version and level.
LABELS = {"RecommenderErrors": "Code", "RecommenderScores": "le", "RecommenderDevice": "Device"}

# A name and the value of its last dimension, "" where it has none.
Key = tuple[str, str]


_TIMES: dict[str, Key] = {phase: (f"Recommender{phase}Time", "") for phase in PHASES}


class Batch:
    """What one batch adds. Times are in milliseconds."""

    def __init__(self) -> None:
        self.counts: defaultdict[Key, float] = defaultdict(int)
        self.scores: list[np.ndarray] = []
        self._last = time.perf_counter()

    def lap(self, phase: str) -> None:
        """Book the time since the last lap on ``phase``."""
        now = time.perf_counter()
        self.counts[_TIMES[phase]] += (now - self._last) * 1000
        self._last = now

    def count(self, name: str, value: int = 1, label: str = "") -> None:
        """Add to a count."""
        if value:
            self.counts[f"Recommender{name}", label] += value


class Tally:
    """The sum of batches since it was last taken. ``low`` and ``high``: the range of scores."""

    def __init__(self, low: float, high: float) -> None:
        # The upper bounds of the buckets; scores above the last but one are in the last.
        self.bounds = np.linspace(low, high, SCORE_BUCKETS + 1)[1:-1]
        self._lock = threading.Lock()
        self._counts: Counter[Key] = Counter()
        self._scores: list[np.ndarray] = []

    def add(self, batch: Batch) -> None:
        """Add a batch."""
        with self._lock:
            self._counts.update(batch.counts)
            self._scores += batch.scores

    def take(self) -> Counter[Key]:
        """Everything since the last call. Scores are counts of those at or below a bound, as Prometheus counts them."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
            scores, self._scores = self._scores, []
        if scores:
            among = np.bincount(np.searchsorted(self.bounds, np.concatenate(scores)), minlength=SCORE_BUCKETS)
            labels = [f"{bound:g}" for bound in self.bounds] + ["+Inf"]
            counts.update({("RecommenderScores", label): n for label, n in zip(labels, among.cumsum().tolist())})
        return counts


class Reporter(threading.Thread):
    """Prints a worker's tally as TorchServe metrics, once a second while there is something to say.

    ``cache`` is TorchServe's metric cache. Counters, each with the model's name and version: ``RecommenderBatches``,
    ``RecommenderRequests``, ``RecommenderInstances`` (single questions), ``RecommenderErrors`` (those of them that got
    no answer, by ``Code``; TorchServe's own 413 and 503 reach no worker), ``RecommenderUnknownIds``,
    ``RecommenderFallbacks`` (answers with the unknown user or movie), ``RecommenderDecodeTime``, ``...LookupTime``,
    ``...ForwardTime``, ``...EncodeTime`` (milliseconds), and ``RecommenderScores`` (of pairs, by upper bound ``le``).
    Gauge: ``RecommenderDevice`` (1, by ``Device``).
    """

    def __init__(self, tally: Tally, cache: Any, version: str, device: str, interval: float = 1.0) -> None:
        super().__init__(name="metrics", daemon=True)
        self._tally = tally
        self._cache = cache
        self._version = version
        self._device = device
        self._interval = interval
        self._metrics: dict[str, Any] = {}

    def run(self) -> None:
        """Report until the process ends."""
        self._report("RecommenderDevice", self._device, 1)
        while True:
            time.sleep(self._interval)
            self.report()

    def report(self) -> None:
        """Print what has been counted since the last report."""
        for (name, label), value in self._tally.take().items():
            self._report(name, label, round(value, 3))

    def _report(self, name: str, label: str, value: float) -> None:
        labels = [LABELS[name]] if name in LABELS else []
        if name not in self._metrics:
            # Imported here: training shares this package, and needs no TorchServe.
            from ts.metrics.metric_type_enum import MetricTypes

            kind = MetricTypes.GAUGE if name == "RecommenderDevice" else MetricTypes.COUNTER
            unit = "ms" if name.endswith("Time") else "count"
            names = ["ModelName", "ModelVersion", "Level", *labels]
            self._metrics[name] = self._cache.add_metric_to_cache(name, unit, names, kind)
        values = [self._cache.model_name, self._version, "Model"] + [label] * len(labels)
        self._metrics[name].add_or_update(value, values)
