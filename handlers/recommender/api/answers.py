"""From what a model found to what an answer says: rows to ids, titles and scores."""

import math
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET, Struct

from ..model.model import Model
from ..model.query import Explanation, RankedList, Share
from .errors import RequestError, TooLarge
from .requests import Request

# What is said of so many movies, those that were listed last, is kept: 10 MB. Without it, lists take a fifth longer.
KEPT_MOVIES = 1 << 14

encode = msgspec.json.Encoder().encode


class Answer(Struct, gc=False):
    """What comes back for one body: an HTTP status, its phrase and a JSON body."""

    code: int
    phrase: str
    body: bytes


def answer_of(value: Any, max_bytes: int) -> Answer:
    """The answer with a JSON body; a refusal where that has more than ``max_bytes``."""
    if isinstance(value, RequestError):
        return refusal(value)
    body = encode(value)
    if len(body) <= max_bytes:
        return Answer(200, "", body)
    return refusal(
        TooLarge(f"the answer has {len(body):,} bytes, {max_bytes:,} are the most: ask for fewer entries at once")
    )


def refusal(error: RequestError) -> Answer:
    """The answer that is an error."""
    return Answer(error.code, error.type, encode(error.body()))


class Presenter:
    """Says what a model found, in the words of the contract."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._words = model.metadata.words
        self._movie = lru_cache(KEPT_MOVIES)(self._read_movie)

    def user(self, request: Request) -> dict[str, Any]:
        """Whom the answer is for, where the request has an id."""
        return {} if request.user_id is UNSET else {"user_id": self._model.users.canonical(request.user_id)}

    def movie(self, request: Request) -> dict[str, Any]:
        """Which movie the answer is about."""
        if request.movie is not UNSET:
            return {self._words.field: request.movie}
        return {self._words.id: self._model.movies.canonical(request.movie_id)}

    def entries(self, ranked: RankedList) -> list[dict[str, Any]]:
        """The entries of a list, with reasons where there are any."""
        movie = self._movie
        entries = [{**movie(row), "score": score} for row, score in zip(ranked.rows.tolist(), ranked.scores.tolist())]
        for name, values in ranked.facts.items():
            for entry, value in zip(entries, values.tolist(), strict=True):
                entry[name] = value
        if ranked.explored is not None:
            for place in np.flatnonzero(ranked.explored).tolist():
                entries[place]["explored"] = True
        if ranked.personal:
            for entry, explanation in zip(entries, ranked.personal, strict=True):
                entry |= {"personal": explanation.total, "because": self._reasons(explanation)}
        if ranked.order:
            for entry, explanation in zip(entries, ranked.order, strict=True):
                entry |= {"rank_score": explanation.total, "rank_because": self._reasons(explanation)}
        return entries

    def history(self, user_row: int) -> list[dict[str, Any]]:
        """What a user has rated; an entry without ``rating`` is a like."""
        rows, ratings = self._model.seen(user_row).tolist(), self._model.seen_ratings(user_row).tolist()
        return [
            self.named(row) if math.isnan(rating) else self.named(row) | {"rating": round(rating, 6)}
            for row, rating in zip(rows, ratings, strict=True)
        ]

    def catalogue(self, offset: int, k: int) -> list[dict[str, Any]]:
        """Movies in the order of their ids, with how often each was rated and its place on the map."""
        catalogue = self._model.catalogue
        rows = range(1 + offset, min(1 + offset + k, len(catalogue) + 1))
        places = catalogue.places[rows.start : rows.stop].astype(np.float64).round(4).tolist()
        return [
            self._movie(row) | {"ratings": int(catalogue.counts[row]), "x": x, "y": y}
            for row, (x, y) in zip(rows, places, strict=True)
        ]

    def named(self, row: int) -> dict[str, Any]:
        """A movie's id and title."""
        movie = self._movie(row)
        return {name: movie[name] for name in (self._words.id, "title")}

    def _read_movie(self, row: int) -> dict[str, Any]:
        catalogue = self._model.catalogue
        titles = catalogue.titles
        movie: dict[str, Any] = {self._words.id: self._model.movies.ids[row], "title": titles.title(row)}
        if "year" in catalogue.columns:
            movie["year"] = titles.years.value(row)
        if "genres" in catalogue.columns:
            movie["genres"] = titles.genres.value(row)
        if catalogue.attributes:
            values = {name: column.value(row) for name, column in catalogue.attributes.items()}
            movie["attributes"] = {name: value for name, value in values.items() if value not in (None, [])}
        return movie

    def _reasons(self, explanation: Explanation) -> list[dict[str, Any]]:
        return [self._reason(share) | {"share": share.share} for share in explanation.shares]

    def _reason(self, share: Share) -> dict[str, Any]:
        if share.kind == "movie":
            return self.named(share.of)
        return {"feature": share.of} if share.kind == "feature" else {share.kind: True}
