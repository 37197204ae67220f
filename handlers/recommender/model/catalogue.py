"""The movies of an archive: what an answer says of them, and which of them a list may hold."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import numpy as np
import torch
from torch import Tensor

from .vocabulary import Vocabulary

BLOCK = 64  # scores that share a maximum: of 1,000,000 the ten largest in 0.4 ms instead of 3.3


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

    def left_out(
        self, candidates: Sequence[int] | None, genres: Iterable[str] | None, *rows: Sequence[int] | np.ndarray
    ) -> np.ndarray:
        """The rows that a list may not hold: ``rows``, and what is no candidate or of none of the genres. int64."""
        narrowed: list[np.ndarray] = []
        if candidates is not None:
            mask = np.ones(len(self.vocabulary), dtype=bool)
            mask[list(candidates)] = False
            narrowed.append(np.flatnonzero(mask))
        if genres is not None:
            any_of = np.zeros(len(self.vocabulary), dtype=bool)
            for genre in genres:
                any_of |= self.by_genre.get(genre, False)
            narrowed.append(np.flatnonzero(~any_of))
        return np.concatenate([np.zeros(1, dtype=np.int64), *narrowed, *(np.asarray(some, np.int64) for some in rows)])


def top(scores: Tensor, left_out: Sequence[np.ndarray], lengths: Sequence[int]) -> list[np.ndarray]:
    """For each of B requests the rows of the highest of its ``scores`` [B, rows], best first, ties by row.

    ``left_out`` rows are in no list; their scores are overwritten. A list is as long as ``lengths`` says, or shorter
    where there is nothing more. One partial sort serves all; a tie across the end of one is settled by a look at the
    whole of it, for which of the tied that took in is anybody's guess.
    """
    whose = np.repeat(np.arange(len(left_out)), [len(rows) for rows in left_out])
    where = torch.from_numpy(np.stack([whose, np.concatenate(left_out)])).to(scores.device)
    scores[where[0], where[1]] = -torch.inf
    values, rows = (found.cpu().numpy() for found in _largest(scores, min(max(lengths) + 1, scores.size(1))))
    order = np.lexsort((rows, -values))
    values, rows = np.take_along_axis(values, order, 1), np.take_along_axis(rows, order, 1)
    lists = []
    for at, length in enumerate(lengths):
        its, best = values[at], rows[at]
        if length < len(its) < scores.size(1) and its[-1] == its[length - 1] > -np.inf:
            everything = scores[at].cpu().numpy()
            best = np.flatnonzero(everything >= its[-1])
            best = best[np.argsort(-everything[best], kind="stable")]
            its = everything[best]
        lists.append(best[:length][its[:length] > -np.inf])
    return lists


def _largest(scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """``scores.topk(count)``, by way of blocks: those with the ``count`` largest maxima hold the ``count`` largest.

    For outside of them nothing is larger than ``count`` maxima. A pass for maxima is many times faster than topk's own.
    """
    requests, rows = scores.shape
    blocks = rows // BLOCK
    if blocks < 16 * count:  # in small catalogues more steps cost more than they save
        return tuple(scores.topk(count))
    blocked = scores[:, : blocks * BLOCK].view(requests, blocks, BLOCK)
    chosen = blocked.amax(2).topk(count).indices
    members = (chosen.unsqueeze(2) * BLOCK + torch.arange(BLOCK, device=scores.device)).flatten(1)
    rest = torch.arange(blocks * BLOCK, rows, device=scores.device).expand(requests, -1)
    members = torch.cat([members, rest], dim=1)
    found = scores.gather(1, members).topk(count)
    return found.values, members.gather(1, found.indices)
