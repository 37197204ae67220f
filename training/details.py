"""What of a measurement only the report shows: small tables, kept beside the model and out of its archive."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import log_loss, root_mean_squared_error

from .calibration import like_probabilities, reliability
from .config import Settings
from .dataset import Dataset
from .evaluate import Predictions

BINS = 8


def details(predictions: Predictions, train: Dataset, index: np.ndarray, settings: Settings) -> dict[str, Any]:
    """``by_count`` and, where there is a probability of a like, ``reliability``, of predictions for held-out pairs.

    The fit has seen the rows ``index`` of ``train``.
    """
    counts = np.bincount(train.movie_rows[index], minlength=len(train.movies.vocabulary))
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
            "from": int(counts[bins == one].min()),
            "to": int(counts[bins == one].max()),
            "rows": int((bins == one).sum()),
            "error": _error(predictions.take(bins == one), settings),
        }
        for one in np.unique(bins)
    ]


def _error(predictions: Predictions, settings: Settings) -> float:
    scores = predictions.link.inverse_link(predictions.raw).double().numpy()
    if settings.target == "rating":
        return float(root_mean_squared_error(predictions.ratings, scores))
    return float(log_loss(predictions.likes, scores, labels=[0, 1]))
