"""The tables that only the report shows; they are kept beside the model and are no part of its archive."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..config import Settings
from ..estimators import TwoEncoderEstimator
from ..evaluate import Predictions
from ..metrics.calibration import like_probabilities, reliability
from ..metrics.names import Metric
from ..metrics.rating import like_log_loss, rating_metrics
from ..progress import stage

BINS = 8


@stage("measuring by number of ratings")
def details(estimator: TwoEncoderEstimator, predictions: Predictions) -> dict[str, Any]:
    """``by_count`` and, where there is a probability of a like, ``reliability``, of predictions for held-out pairs."""
    train, settings = estimator.train, estimator.settings
    counts = np.bincount(train.movie_rows, minlength=train.shape[1])
    found: dict[str, Any] = {"by_count": by_count(predictions, counts[predictions.movies], settings)}
    probabilities = like_probabilities(predictions.raw, predictions.link, settings.like_above)
    if probabilities is not None:
        curve = reliability(predictions.likes, probabilities)
        found["reliability"] = {name: values.tolist() for name, values in curve._asdict().items()}
    return found


def by_count(predictions: Predictions, counts: np.ndarray, settings: Settings) -> list[dict[str, float]]:
    """The error by how often a pair's movie was rated in training (``counts`` [n]): RMSE, or log loss of likes.

    The bins hold about equally many pairs; those of movies without any rating are apart.
    """
    seen = counts[counts > 0]
    lowest = np.unique(np.quantile(seen, np.arange(BINS) / BINS, method="lower")) if len(seen) else np.empty(0)
    bins = np.searchsorted(lowest, counts, side="right")
    return [
        {
            "from": int(counts[bins == number].min()),
            "to": int(counts[bins == number].max()),
            "rows": int((bins == number).sum()),
            "error": _error(predictions.take(bins == number), settings),
        }
        for number in np.unique(bins)
    ]


def _error(predictions: Predictions, settings: Settings) -> float:
    if settings.target == "rating":
        return rating_metrics(predictions.ratings, predictions.scores)[Metric.RMSE]
    return like_log_loss(predictions.likes, predictions.scores)
