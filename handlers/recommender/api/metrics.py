"""The handler's metrics: each is declared here once. Counted in memory batch by batch, and reported by the host."""

import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass

import numpy as np

SCORE_BUCKETS = 10


@dataclass(frozen=True, eq=False)
class Metric:
    """A metric by its name in TorchServe and Prometheus. ``label``: its dimension beside model, version and level."""

    name: str
    unit: str = "count"
    label: str | None = None
    is_gauge: bool = False


BATCHES = Metric("RecommenderBatches")
REQUESTS = Metric("RecommenderRequests")
INSTANCES = Metric("RecommenderInstances")  # single questions
ERRORS = Metric("RecommenderErrors", label="Code")  # instances without an answer, by the handler alone
UNKNOWN_IDS = Metric("RecommenderUnknownIds")
FALLBACKS = Metric("RecommenderFallbacks")  # answers with the unknown user or movie
DECODE_TIME = Metric("RecommenderDecodeTime", "ms")
LOOKUP_TIME = Metric("RecommenderLookupTime", "ms")
FORWARD_TIME = Metric("RecommenderForwardTime", "ms")
ENCODE_TIME = Metric("RecommenderEncodeTime", "ms")
SCORES = Metric("RecommenderScores", label="le")  # scores of pairs at or below an upper bound
DEVICE = Metric("RecommenderDevice", label="Device", is_gauge=True)  # 1

METRICS = tuple(value for value in list(globals().values()) if isinstance(value, Metric))

# A metric and the value of its label, "" where it has none.
Key = tuple[Metric, str]


class BatchCounts:
    """What one batch adds to the metrics. Times are in milliseconds."""

    def __init__(self) -> None:
        self.counts: defaultdict[Key, float] = defaultdict(int)
        self.scores: list[np.ndarray] = []
        self._last = time.perf_counter()

    def lap(self, phase: Metric) -> None:
        """Add the time since the last lap to ``phase``."""
        now = time.perf_counter()
        self.counts[phase, ""] += (now - self._last) * 1000
        self._last = now

    def add(self, metric: Metric, value: int = 1, label: str = "") -> None:
        """Add to the count of a metric."""
        if value:
            self.counts[metric, label] += value


class Tally:
    """The sum of batches since it was last taken. ``low`` and ``high``: the range of scores."""

    def __init__(self, low: float, high: float) -> None:
        # The upper bounds of the buckets but the last, which has none.
        self.bounds = np.linspace(low, high, SCORE_BUCKETS + 1)[1:-1]
        self._lock = threading.Lock()
        self._counts: Counter[Key] = Counter()
        self._scores: list[np.ndarray] = []

    def add(self, batch: BatchCounts) -> None:
        """Add the counts of a batch."""
        with self._lock:
            self._counts.update(batch.counts)
            self._scores += batch.scores

    def take(self) -> Counter[Key]:
        """Everything since the last call. Scores are counts of those at or below a bound, as Prometheus counts them."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
            scores, self._scores = self._scores, []
        if scores:
            buckets = np.bincount(np.searchsorted(self.bounds, np.concatenate(scores)), minlength=SCORE_BUCKETS)
            labels = [f"{bound:g}" for bound in self.bounds] + ["+Inf"]
            counts.update({(SCORES, label): count for label, count in zip(labels, buckets.cumsum().tolist())})
        return counts
