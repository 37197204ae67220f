"""The movies of a model by row: how often each was rated, where it lies on the map, and which ones a list may hold."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np

from .attributes import AnyOf, Column, Where, meeting
from .query import Selection
from .titles import Titles

KEPT_BYTES = 1 << 25  # of the masks of conditions that were asked last
KEPT_VALUES = 16  # of conditions whose mask is kept: those of a page's choices, and not a client's long arrays
CONDITIONS_BYTES = 2048  # of so many values, which are kept beside their mask


class Catalogue:
    """The movies by row; row 0 (the unknown movie) never enters a list.

    ``counts`` int64 [rows]: how often each was rated. ``places`` float32 [rows, 2]: its coordinates on the map.
    ``attributes``: the columns that answers show beside title, year and genres. ``columns``: what conditions are about.
    ``usual``: year and genres are columns even where no movie has any.
    """

    def __init__(
        self,
        titles: Titles,
        counts: np.ndarray,
        places: np.ndarray,
        attributes: Mapping[str, Column] | None = None,
        usual: bool = True,
    ) -> None:
        self.titles = titles
        self.counts = counts
        self.places = places
        self.attributes = dict(attributes or {})
        years = {"year": titles.years} if usual or titles.has_years else {}
        genres = {"genres": titles.genres} if usual or titles.has_genres else {}
        self.columns: dict[str, Column] = years | genres | self.attributes
        # The masks of conditions with few values: read-only, and only the last ones, because a client may send any.
        self.masks = lru_cache(max(1, KEPT_BYTES // (len(counts) + CONDITIONS_BYTES)))(self._meeting)

    def __len__(self) -> int:
        """The number of movies."""
        return len(self.counts) - 1

    def allowed(self, selection: Selection) -> np.ndarray | None:
        """Which movies the candidates and conditions of a selection leave: a read-only mask bool [rows], None for all.

        What a user has seen, and what a request excludes, is a matter of rows (``excluded``).
        """
        mask = self.meeting(selection.where) if selection.where else None
        if selection.candidates is None:
            return mask
        among = np.zeros(len(self.counts), bool)
        among[np.asarray(selection.candidates, np.int64)] = True
        among[0] = False
        return among if mask is None else among & mask

    def excluded(self, selection: Selection, *rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """What a list may not hold: ``rows``, and all that the selection leaves out.

        Rows int64; where candidates or conditions are given, which leave out nearly everything, a mask bool [rows].
        """
        unknown = np.zeros(1, dtype=np.int64)
        out = np.concatenate([unknown, *(np.asarray(part, np.int64) for part in (selection.exclude, *rows))])
        allowed = self.allowed(selection)
        if allowed is None:
            return out
        mask = ~allowed
        mask[out] = True
        return mask

    def meeting(self, where: Where) -> np.ndarray:
        """Which rows meet conditions: a read-only mask bool [rows]."""
        values = sum(len(condition.values) for _, condition in where if isinstance(condition, AnyOf))
        return self.masks(where) if values <= KEPT_VALUES else self._meeting(where)

    def _meeting(self, where: Where) -> np.ndarray:
        mask = meeting(where, self.columns)
        mask.flags.writeable = False
        return mask
