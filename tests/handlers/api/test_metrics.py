"""What a batch did is counted, once."""

from __future__ import annotations

import numpy as np

from handlers.recommender.api import metrics


def test_scores_are_counted_by_upper_bound() -> None:
    tally = metrics.Tally(0.0, 1.0)
    batch = metrics.BatchCounts()
    batch.scores = [np.array([0.0, 0.1, 0.11]), np.array([0.95, 1.0])]
    tally.add(batch)
    counts = {label: count for (metric, label), count in tally.take().items() if metric is metrics.SCORES}
    assert counts == {f"{i / 10:g}": 2 if i == 1 else 3 for i in range(1, 10)} | {"+Inf": 5}
