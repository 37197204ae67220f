"""The movies of an archive: what an answer says of them, and which of them a list may hold."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import numpy as np
import torch

from .vocabulary import Vocabulary


class Titles(msgspec.Struct, frozen=True):
    """What answers say of the movies, by row; row 0 is empty."""

    titles: list[str | None]
    years: list[int | None]
    genres: list[list[str]]


class Catalogue:
    """The movies by row; row 0 (the unknown movie) never enters a list.

    ``counts`` int64 [rows]: how often each was rated. ``places`` float32 [rows, 2]: where each lies on the map.
    """

    def __init__(self, vocabulary: Vocabulary, titles: Titles, counts: np.ndarray, places: np.ndarray) -> None:
        self.vocabulary = vocabulary
        self.counts = counts
        self.places = places.astype(np.float64).round(4)
        self._entries = [
            {"movie_id": raw, "title": title, "year": year, "genres": genres}
            for raw, title, year, genres in zip(vocabulary.ids, titles.titles, titles.years, titles.genres, strict=True)
        ]
        self.by_genre: dict[str, np.ndarray] = {}
        for row, genres in enumerate(titles.genres):
            for genre in genres:
                self.by_genre.setdefault(genre, np.zeros(len(vocabulary), dtype=bool))[row] = True

    def __len__(self) -> int:
        """The number of movies."""
        return len(self.vocabulary) - 1

    def entry(self, row: int, score: float) -> dict[str, Any]:
        """A movie in a scored list."""
        return {**self._entries[row], "score": score}

    def page(self, offset: int, k: int) -> list[dict[str, Any]]:
        """Movies in the order of their ids, with how often each was rated and its place on the map."""
        rows = range(1 + offset, min(1 + offset + k, len(self.vocabulary)))
        return [
            self._entries[row] | {"ratings": int(self.counts[row]), "x": x, "y": y}
            for row, (x, y) in zip(rows, self.places[rows.start : rows.stop].tolist(), strict=True)
        ]

    def named(self, row: int) -> dict[str, Any]:
        """A movie's id and title."""
        return {"movie_id": self._entries[row]["movie_id"], "title": self._entries[row]["title"]}

    def rated(self, row: int, rating: float) -> dict[str, Any]:
        """A movie in a user's history; without ``rating`` where it was a like (NaN)."""
        entry = self.named(row)
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
    """The rows of the ``k`` highest of ``scores`` [rows] among ``allowed`` [rows], ties by row: [<= k]."""
    masked = np.where(allowed, scores, -np.inf)
    values, rows = (found.numpy() for found in torch.from_numpy(masked).topk(min(k + 1, len(masked))))
    if len(rows) > k and values[k] == values[k - 1] > -np.inf:
        # A tie across the k-th place: which of them topk takes is anybody's guess.
        rows = np.flatnonzero(masked >= values[k])
        values = masked[rows]
    order = np.lexsort((rows, -values))[:k]
    return rows[order][values[order] > -np.inf]
