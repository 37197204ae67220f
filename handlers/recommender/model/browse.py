"""Lists for nobody in particular: what is popular, what is popular of late, and what is new."""

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch

from .query import NOBODY, MovieQuery, RankedList, Selection, UserQuery
from .timeline import NO_DATE

if TYPE_CHECKING:
    from .model import Model

KEPT_PERIODS = 4  # numbers of days whose counts are kept: 8 bytes a movie each
MOST_TIES = 1 << 16  # counts that tell apart movies of the same second; a larger count is as good as this one


class Browsing:
    """Makes lists from what a model knows of its movies alone."""

    def __init__(self, model: "Model") -> None:
        self._model = model
        self._counts_of_last = lru_cache(KEPT_PERIODS)(model.timeline.counts)

    def make(self, selection: Selection) -> RankedList:
        """The list of a selection; a score is that of a user of whom nothing is known.

        Its facts: "ratings", int64 [n], how many users have rated each, or with ``recent_days`` how often it was rated
        in these; where ``newest``, "added" int64 [n], when each came, in seconds since 1970.
        """
        model = self._model
        added, counts = model.timeline.added, model.catalogue.counts
        if selection.recent_days:
            counts = self._counts_of_last(selection.recent_days)
        numbers = self._by_date(added) if selection.newest else self._by_count(counts)
        excluded = model.catalogue.excluded(selection)
        order = torch.from_numpy(numbers)[None].to(model.device)
        (rows,), (explored,) = model.lists.make(order, [excluded], [selection], [NOBODY])
        scores = model.score([UserQuery()] * len(rows), [MovieQuery(row) for row in rows.tolist()])
        facts = {"added": added[rows]} if selection.newest else {"ratings": counts[rows]}
        return RankedList(rows, scores, explored=explored, facts=facts)

    def _by_count(self, counts: np.ndarray) -> np.ndarray:
        """float64 [movies]: how often each was rated; what its features promise where nobody has rated it yet."""
        numbers = counts.astype(np.float64)
        expected, ever = self._model.arrays.get("expected_ratings"), self._model.catalogue.counts
        if expected is not None:
            unrated = np.flatnonzero(ever == 0)
            numbers[unrated] = expected.numpy()[unrated] * (counts.sum() / max(ever.sum(), 1))
        return numbers

    def _by_date(self, added: np.ndarray) -> np.ndarray:
        """float64 [movies]: the later the larger, of one second the more popular; -inf without a date.

        Seconds to the year 5000 and a count below ``MOST_TIES`` fill the 53 bits that float64 keeps exact.
        """
        ties = np.minimum(self._model.catalogue.counts, MOST_TIES - 1)
        return np.where(added != NO_DATE, added * float(MOST_TIES) + ties, -np.inf)
