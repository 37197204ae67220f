"""Evenly spaced positions."""

import numpy as np


def evenly_spread(count: int, limit: int) -> np.ndarray:
    """At most ``limit`` of the positions below ``count``, evenly spread from the first to the last: int64."""
    steps = min(count, limit)
    return np.arange(steps) * (count - 1) // max(steps - 1, 1)
