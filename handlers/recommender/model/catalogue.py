"""The movies of a model by row: how often each was rated, where it lies on the map, and its genres."""

from collections.abc import Sequence

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
        """The rows int64 that a list may not hold: ``rows``, and all that the selection leaves out."""
        parts: list[np.ndarray] = [np.zeros(1, dtype=np.int64)]
        if selection.candidates is not None:
            mask = np.ones(len(self.counts), dtype=bool)
            mask[list(selection.candidates)] = False
            parts.append(np.flatnonzero(mask))
        if selection.genres is not None:
            any_of = np.zeros(len(self.counts), dtype=bool)
            for genre in selection.genres:
                any_of[self.titles.of_genre(genre)] = True
            parts.append(np.flatnonzero(~any_of))
        parts += [np.asarray(part, np.int64) for part in (selection.exclude, *rows)]
        return np.concatenate(parts)
