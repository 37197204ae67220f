"""The movies of an archive: what an answer says of them, and which of them a list may hold."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .vocabulary import Vocabulary


class Catalogue:
    """Titles, years, genres and rating counts by row; row 0 (the unknown movie) never enters a list."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        titles: Sequence[str | None],
        years: Sequence[int | None],
        genres: Sequence[Sequence[str]],
        counts: np.ndarray,
    ) -> None:
        self.vocabulary = vocabulary
        self.counts = counts
        self._entries = [
            {"movie_id": raw, "title": title, "year": year, "genres": list(tags)}
            for raw, title, year, tags in zip(vocabulary.ids, titles, years, genres, strict=True)
        ]
        self.by_genre: dict[str, np.ndarray] = {}
        for row, tags in enumerate(genres):
            for tag in tags:
                self.by_genre.setdefault(tag, np.zeros(len(vocabulary), dtype=bool))[row] = True

    def __len__(self) -> int:
        """The number of movies."""
        return len(self.vocabulary) - 1

    def entry(self, row: int, score: float) -> dict[str, Any]:
        """A movie in a scored list."""
        return {**self._entries[row], "score": score}

    def page(self, offset: int, k: int) -> list[dict[str, Any]]:
        """Movies in the order of their ids, with how often each was rated."""
        rows = range(1 + offset, min(1 + offset + k, len(self.vocabulary)))
        return [{**self._entries[row], "ratings": int(self.counts[row])} for row in rows]

    def rated(self, row: int, rating: float) -> dict[str, Any]:
        """A movie in a user's history; without ``rating`` where it was a like (NaN)."""
        entry = {"movie_id": self._entries[row]["movie_id"], "title": self._entries[row]["title"]}
        return entry if math.isnan(rating) else entry | {"rating": round(rating, 6)}

    def allowed(
        self,
        candidates: Sequence[int] | None,
        genres: Iterable[str] | None,
        *left_out: Sequence[int] | np.ndarray,
    ) -> np.ndarray:
        """Which rows a list may hold: bool [rows]."""
        if candidates is None:
            mask = np.ones(len(self.vocabulary), dtype=bool)
        else:
            mask = np.zeros(len(self.vocabulary), dtype=bool)
            mask[list(candidates)] = True
        if genres is not None:
            any_of = np.zeros(len(self.vocabulary), dtype=bool)
            for genre in genres:
                any_of |= self.by_genre.get(genre, False)
            mask &= any_of
        for rows in left_out:
            mask[rows] = False
        mask[0] = False
        return mask


def top(scores: np.ndarray, allowed: np.ndarray, k: int) -> np.ndarray:
    """The rows of the ``k`` highest of ``scores`` [rows] among ``allowed`` [rows], ties by row: [<= k].

    A partial sort finds the k-th score; only what reaches it is sorted.
    """
    rows = np.flatnonzero(allowed)
    values = scores[rows]
    if k < len(rows):
        bar = np.partition(values, len(rows) - k)[len(rows) - k]
        rows = rows[values >= bar]
        values = scores[rows]
    return rows[np.argsort(-values, kind="stable")][:k]
