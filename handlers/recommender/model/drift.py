"""How much higher or lower than usual a user rates at a moment: what ``timestamp`` adds to a raw score.

The drift of a user is an Ornstein-Uhlenbeck process of mean zero: of two moments ``t`` and ``t'``, the correlation is
``exp(-|t - t'| / seconds)``. It takes the place of the day-specific bias ``b_u,t`` of Koren, Collaborative Filtering
with Temporal Dynamics, KDD 2009, without borders between days. Training finds its mean at the moments of the user's
ratings. As the process is Markov, any other moment depends on the nearest of these before and after it alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor


@dataclass(frozen=True)
class Drift:
    """The drift of all users.

    That of user row ``u`` is known at ``times[offsets[u]:offsets[u + 1]]``, ascending. ``offsets`` int64 [users + 1];
    ``times`` int64 [M]: seconds since 1970; ``values`` float32 [M]: raw scores; ``seconds``: in which the correlation
    falls to ``1 / e``.
    """

    offsets: np.ndarray
    times: np.ndarray
    values: np.ndarray
    seconds: float

    @classmethod
    def of(cls, arrays: Mapping[str, Tensor], seconds: float | None) -> "Drift | None":
        """The drift of an archive with these arrays; None where nothing drifts."""
        if seconds is None:
            return None
        return cls(*(arrays[f"drift_{name}"].numpy() for name in ("offsets", "times", "values")), seconds)

    def at(self, rows: np.ndarray, timestamps: np.ndarray) -> np.ndarray:
        """The expected drift float32 [n] of user rows int64 [n] at ``timestamps`` int64 [n].

        Far from all known moments it is zero, as for a user without ratings.
        """
        positions, weights = self.neighbours(rows, timestamps)
        return (self.values[positions] * weights).sum(axis=1)

    def neighbours(self, rows: np.ndarray, timestamps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The known moments before and after others: positions int64 [n, 2] and weights float32 [n, 2].

        With these weights the sum is the mean of the process given both moments. A missing moment has the weight zero.
        """
        first, last = self.offsets[rows], self.offsets[np.asarray(rows) + 1]
        after = self._first_not_before(first, last, timestamps)
        positions = np.stack([after - 1, after], axis=1).clip(0, len(self.times) - 1)
        apart = np.abs(self.times[positions] - np.asarray(timestamps)[:, None])
        correlations = np.exp(-apart / self.seconds) * np.stack([after > first, after < last], axis=1)
        # A user's moments differ, so not both correlations are one.
        weights = correlations * (1 - correlations[:, ::-1] ** 2) / (1 - correlations.prod(axis=1, keepdims=True) ** 2)
        return positions, weights.astype(np.float32)

    def _first_not_before(self, low: np.ndarray, high: np.ndarray, timestamps: np.ndarray) -> np.ndarray:
        """The first position from ``low`` to ``high`` whose time is not before ``timestamps``, all [n]: bisection."""
        while (searched := low < high).any():
            middle = (low + high) // 2
            before = self.times[np.where(searched, middle, 0)] < timestamps
            low, high = np.where(searched & before, middle + 1, low), np.where(searched & ~before, middle, high)
        return low
