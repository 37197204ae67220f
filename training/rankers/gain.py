"""Whether one ranker's lists are better than another's, or only luckier."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

OF_THE_BEST = 2.0  # standard errors that the best of several settings must gain: one of several is lucky more often


def is_certain(ndcg: np.ndarray, other: np.ndarray, errors: float = 1.0) -> bool:
    """Whether the lists of users [n] are better than others of the same users, by more than ``errors`` standard errors.

    Of the difference: Breiman and others, Classification and regression trees, 1984. One user shows nothing.
    """
    gain = ndcg - other
    return len(gain) > 1 and bool(gain.mean() * (len(gain) - 1) ** 0.5 > errors * gain.std())


def best_of_users(ndcg: Mapping[float, np.ndarray]) -> float:
    """The setting with the best lists of users [n]; the first one, unless another is certainly better."""
    first = next(iter(ndcg))
    best = max(ndcg, key=lambda setting: ndcg[setting].sum())
    return best if is_certain(ndcg[best], ndcg[first], OF_THE_BEST) else first
