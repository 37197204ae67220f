"""The movies of a model by row: how often each was rated, where it lies on the map, and its genres."""

from collections.abc import Iterable, Sequence

import numpy as np

from .query import Selection
from .titles import Titles


class Catalogue:
    """The movies by row; row 0 (the unknown movie) never enters a list.

    ``counts`` int64 [rows]: how often each was rated. ``places`` float32 [rows, 2]: its coordinates on the map.
    """

    def __init__(self, titles: Titles, counts: np.ndarray, places: np.ndarray) -> None:
        self.titles = titles
        self.counts = counts
        self.places = places

    def __len__(self) -> int:
        """The number of movies."""
        return len(self.counts) - 1

    def excluded(self, selection: Selection, *rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """What a list may not hold: ``rows``, and all that the selection leaves out.

        Rows int64; where candidates or genres are given, which leave out nearly everything, a mask bool [rows].
        """
        unknown = np.zeros(1, dtype=np.int64)
        out = np.concatenate([unknown, *(np.asarray(part, np.int64) for part in (selection.exclude, *rows))])
        if selection.candidates is None and selection.genres is None:
            return out
        mask = np.zeros(len(self.counts), dtype=bool)
        if selection.candidates is not None:
            mask |= self._all_but([np.asarray(selection.candidates, np.int64)])
        if selection.genres is not None:
            mask |= self._all_but([self.titles.of_genre(genre) for genre in selection.genres])
        mask[out] = True
        return mask

    def _all_but(self, parts: Iterable[np.ndarray]) -> np.ndarray:
        """All rows except those of ``parts``: a mask bool [rows]."""
        mask = np.ones(len(self.counts), dtype=bool)
        for part in parts:
            mask[part] = False
        return mask
