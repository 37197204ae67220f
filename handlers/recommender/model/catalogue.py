"""The movies of a model by row: how often each was rated, where it lies on the map, and its genres."""

from collections.abc import Sequence

import numpy as np

from .metadata import Titles
from .query import Selection


class Catalogue:
    """The movies by row; row 0 (the unknown movie) never enters a list.

    ``counts`` int64 [rows]: how often each was rated. ``places`` float32 [rows, 2]: its coordinates on the map.
    """

    def __init__(self, titles: Titles, counts: np.ndarray, places: np.ndarray) -> None:
        self.titles = titles
        self.counts = counts
        self.places = places.astype(np.float64).round(4)
        self.by_genre: dict[str, np.ndarray] = {}
        for row, genres in enumerate(titles.genres):
            for genre in genres:
                self.by_genre.setdefault(genre, np.zeros(len(counts), dtype=bool))[row] = True

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
                any_of |= self.by_genre.get(genre, False)
            parts.append(np.flatnonzero(~any_of))
        parts += [np.asarray(part, np.int64) for part in (selection.exclude, *rows)]
        return np.concatenate(parts)
