"""Who chooses what, where preferences for groups of items are known: for planted logs."""

from __future__ import annotations

import numpy as np


def choices(rng: np.random.Generator, preference: np.ndarray, group: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """An item for each row of `preference` [n, groups]: int [n].

    Item `i` is drawn for row `r` with a probability proportional to `preference[r, group[i]] * weight[i]`;
    `group` and `weight` are [items]. First the group is drawn, and then an item of the group.
    """
    totals = np.bincount(group, weight, preference.shape[1])
    until = (preference * totals).cumsum(axis=1)
    drawn = (rng.random((len(until), 1)) * until[:, -1:] >= until).sum(axis=1)
    by_group = np.argsort(group, kind="stable")
    ends = weight[by_group].cumsum()
    places = np.searchsorted(ends, (totals.cumsum() - totals)[drawn] + rng.random(len(drawn)) * totals[drawn], "right")
    return by_group[places.clip(max=len(group) - 1)]
