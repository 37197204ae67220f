"""Calibration: how often a like follows its predicted probability."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from scipy.special import ndtr

from handlers.recommender.model.link import Link, Logistic, Ordinal

BINS = 15


class Reliability(NamedTuple):
    """Probabilities in ``BINS`` bins of equal width, without the empty bins.

    ``counts`` [bins]: how many; ``predicted`` [bins]: their mean; ``observed`` [bins]: the share of likes among them.
    """

    counts: np.ndarray
    predicted: np.ndarray
    observed: np.ndarray

    @property
    def error(self) -> float:
        """The expected calibration error: mean distance of the last two, every bin weighing its count.

        Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks, ICML 2017, equation 3 (15 bins of
        equal width, as there; of the probability of a like rather than of the likelier class).
        """
        return float(np.average(np.abs(self.predicted - self.observed), weights=self.counts))


def reliability(likes: np.ndarray, probabilities: np.ndarray) -> Reliability:
    """The reliability of ``probabilities`` [n] for ``likes`` [n], zeros and ones."""
    places = np.minimum((probabilities * BINS).astype(np.int64), BINS - 1)
    counts, predicted, observed = (
        np.bincount(places, weights, BINS) for weights in (None, probabilities, likes.astype(np.float64))
    )
    kept = counts > 0
    return Reliability(counts[kept], predicted[kept] / counts[kept], observed[kept] / counts[kept])


def like_probabilities(raw: torch.Tensor, link: Link, like_above: float) -> np.ndarray | None:
    """The probabilities [n] of a rating above ``like_above``, from raw scores [n].

    None where a raw score is a rating with noise: that has no levels, and so no probability of being above one.
    """
    if isinstance(link, Logistic):
        return link.inverse_link(raw.double()).numpy()
    if isinstance(link, Ordinal):
        liked = int(np.searchsorted(link.levels, like_above, side="right"))  # the lowest level that is a like
        ends = np.array([-np.inf, *link.cuts, np.inf])
        return ndtr((raw.double().numpy() - ends[liked]) / link.noise_std)
    return None
