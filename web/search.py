"""Finds movies by title while somebody is still typing it."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from rapidfuzz import fuzz, process

from .schema import id_of

_ARTICLES = {"the", "a", "an"}
_APOSTROPHE = re.compile("['\u2019]")
_WORDS = re.compile(r"\w+")
LEAST = 74  # of 100: how alike a misspelt title must be


def folded(text: str) -> str:
    """Lower-case words without diacritics, punctuation, or an article at either end ("Matrix, The")."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    words = _WORDS.findall(_APOSTROPHE.sub("", plain.casefold()))
    if len(words) > 1 and words[0] in _ARTICLES:
        words = words[1:]
    if len(words) > 1 and words[-1] in _ARTICLES:
        words = words[:-1]
    return " ".join(words)


class Index:
    """Titles, folded once."""

    def __init__(self, movies: Sequence[dict[str, Any]], noun: str = "movie") -> None:
        """Of catalogue entries; ``noun``: what the page calls one without a title."""
        self._movies = movies
        self._untitled = [not movie["title"] for movie in movies]
        self._titles = [folded(movie["title"] or f"{noun} {id_of(movie)}") for movie in movies]  # as they are shown
        self._words = [f" {title} {movie.get('year') or ''}" for title, movie in zip(self._titles, movies)]
        self._known = [math.log1p(movie["ratings"]) for movie in movies]

    def find(self, query: str, limit: int) -> list[dict[str, Any]]:
        """Movies for what has been typed so far, best first.

        Titles that have every word, or a word that begins so, come first; misspelt ones follow. Among equals one with a
        title wins, then the better known.
        """
        query = folded(query)
        if not query:
            return []
        starts = [f" {word}" for word in query.split()]
        exact = [row for row, words in enumerate(self._words) if all(start in words for start in starts)]
        exact.sort(key=lambda row: (self._untitled[row], not self._titles[row].startswith(query), -self._known[row]))
        found = exact[:limit]
        if len(found) < limit and len(query) > 2:
            # A title much shorter than the query ("M") would be alike to everything that has its letters.
            titles = [title if 3 * len(title) > 2 * len(query) else None for title in self._titles]
            alike = process.extract(query, titles, scorer=fuzz.WRatio, limit=2 * limit, score_cutoff=LEAST)
            # The number of ratings adds a few points of a hundred: it orders matches that are nearly equal.
            alike.sort(key=lambda match: (self._untitled[match[2]], -match[1] - self._known[match[2]]))
            found += [row for _, _, row in alike if row not in exact][: limit - len(found)]
        return [self._movies[row] for row in found]
