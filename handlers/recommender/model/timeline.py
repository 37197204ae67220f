"""When the movies of the log were rated, and when each was new."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from torch import Tensor

MOST_DAYS = 65_535  # an age is stored in two bytes; an older rating has this age
NO_DATE = np.iinfo(np.int64).min  # of a movie that is not known to have come at any time


@dataclass(frozen=True)
class Timeline:
    """How old the ratings of each movie are, and when each movie came. Both None where this is not known.

    Each row of the log is one of these ratings: who has played a song three times counts three times.

    ``ages`` uint16 [ratings]: whole days before the log's last timestamp, 0 for its last 24 hours; the ages of a movie
    stand together and ascend, those of row m in ``ages[offsets[m]:offsets[m + 1]]``; ``offsets`` int64 [movies + 1].
    ``added`` int64 [movies]: seconds since 1970, ``NO_DATE`` where there is no date.
    """

    ages: np.ndarray | None = None
    offsets: np.ndarray | None = None
    added: np.ndarray | None = None

    @classmethod
    def of(cls, arrays: Mapping[str, Tensor]) -> Self:
        """The timeline of an archive's arrays, by their names."""
        named = (arrays.get(name) for name in ("rating_ages", "rating_age_offsets", "movie_added"))
        return cls(*(None if array is None else array.numpy() for array in named))

    def counts(self, days: int) -> np.ndarray:
        """How often each movie was rated in the last ``days`` days of the log: int64 [movies].

        All movies are bisected at once, so the cost is linear in movies and not in ratings.
        """
        low, high = self.offsets[:-1].copy(), self.offsets[1:].copy()
        unsure = np.flatnonzero(low < high)
        while len(unsure):
            middle = (low[unsure] + high[unsure]) // 2
            within = self.ages[middle] < days
            low[unsure[within]] = middle[within] + 1
            high[unsure[~within]] = middle[~within]
            unsure = unsure[low[unsure] < high[unsure]]
        return low - self.offsets[:-1]
