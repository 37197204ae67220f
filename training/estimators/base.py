"""What every recommender promises: fit, predict and recommend, with raw ids in and raw ids out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from sklearn.exceptions import NotFittedError

from handlers.recommender.api.requests import DEFAULT_K
from handlers.recommender.model.topk import top
from handlers.recommender.model.vocabulary import RawId
from handlers.recommender.model.words import MOVIES, Words

from ..data.ids import unify
from ..data.log import DataError, RatingsLog
from ..data.naming import USUAL
from ..interactions import Interactions, encode, rows_of, to_rows

USERS_AT_A_TIME = 512

Ratings = RatingsLog | pd.DataFrame | Interactions


class Recommender(ABC):
    """A model of who rates what. Its constructor takes the configuration, ``fit`` learns, the rest answers.

    A subclass works in rows: it implements ``_fit``, ``predict_rows`` and, where lists are not ordered by the
    predictions, ``order``. The edge between raw ids and rows is here alone. Row 0 is the unknown user or movie.
    """

    uses_features = True
    _train: Interactions | None = None
    _words = MOVIES

    def fit(self, train: Ratings, validation: Ratings | None = None, **options: Any) -> Self:
        """Learn from ``train``; ``validation`` rows choose what the configuration leaves open. Returns self.

        ``options``: those of the subclass. A table has the columns ``user_id``, ``movie_id`` (or ``item_id``) and,
        where known, ``rating`` and ``timestamp``; a log has side features too; ``Interactions`` of both must have the
        same sides. Raises DataError for a table that is no log.
        """
        rows = _interactions(train, self.uses_features)
        held_out = None if validation is None else _beside(validation, rows)
        self._fit(rows, held_out, **options)
        self._train = rows
        self._words = _words_of(train)
        return self

    def predict(
        self, users: Sequence[RawId], items: Sequence[RawId], timestamps: Sequence[int] | None = None
    ) -> np.ndarray:
        """Scores float32 [n] of aligned users and movies; an unknown id scores as an average one does.

        ``timestamps``: seconds since 1970, the moments that the scores are for; without them they are for none.

        Raises NotFittedError before ``fit``, ValueError where these are not equally long, or timestamps no integers.
        """
        if len(users) != len(items):
            raise ValueError(f"{len(users)} users and {len(items)} items: give one movie for each user")
        if timestamps is not None and len(timestamps) != len(users):
            raise ValueError(f"{len(timestamps)} timestamps and {len(users)} users: give one timestamp for each user")
        if timestamps is not None and len(timestamps) and (kind := np.asarray(timestamps).dtype).kind not in "iu":
            raise ValueError(f"timestamps are {kind}: give whole seconds since 1970")
        rows = self._user_rows(users), rows_of(self.train.movies.vocabulary, pd.Series(items))
        return self.predict_rows(*rows, None if timestamps is None else np.asarray(timestamps, np.int64))

    def recommend(self, users: Sequence[RawId], k: int = DEFAULT_K) -> pd.DataFrame:
        """The ``k`` best movies for each of ``users``, best first, without those that they have rated in ``train``.

        Columns ``user_id``, ``movie_id`` (``item_id`` where the log has that) and ``score``, the prediction for the
        pair. A list is shorter where there are no more movies. Raises NotFittedError before ``fit``, ValueError for a
        ``k`` below 1.
        """
        if k < 1:
            raise ValueError(f"k is {k}: give 1 or more")
        rows = self._user_rows(users)
        lists = [np.empty(0, np.int64)]
        for first in range(0, len(rows), USERS_AT_A_TIME):
            block = rows[first : first + USERS_AT_A_TIME]
            left_out = [np.append(0, self.train.pairs[[row]].indices) if row else np.zeros(1, int) for row in block]
            lists += top(self.order(block).clone(), left_out, [k] * len(block))
        lengths = [len(listed) for listed in lists[1:]]
        movies = np.concatenate(lists)
        ids = self.train.movies.vocabulary.ids
        return pd.DataFrame(
            {
                "user_id": pd.Series(users).repeat(lengths).tolist(),
                self._words.id: [ids[row] for row in movies.tolist()],
                "score": self.predict_rows(np.repeat(rows, lengths), movies),
            }
        )

    @property
    def train(self) -> Interactions:
        """What it was fitted to. Raises NotFittedError before ``fit``."""
        if self._train is None:
            raise NotFittedError(f"this {type(self).__name__} is not fitted: call fit first")
        return self._train

    @abstractmethod
    def _fit(self, train: Interactions, validation: Interactions | None, **options: Any) -> None:
        """Learn from rows."""

    @abstractmethod
    def predict_rows(self, users: np.ndarray, movies: np.ndarray, timestamps: np.ndarray | None = None) -> np.ndarray:
        """Scores float32 [n] of aligned rows int64 [n], at ``timestamps`` int64 [n] where these are known."""

    def order(self, users: np.ndarray) -> torch.Tensor:
        """What orders the lists of user rows [B]: float32 [B, movies]."""
        movies = self.train.shape[1]
        scores = self.predict_rows(np.repeat(users, movies), np.tile(np.arange(movies), len(users)))
        return torch.from_numpy(scores.reshape(len(users), movies))

    def _user_rows(self, users: Sequence[RawId]) -> np.ndarray:
        return rows_of(self.train.users.vocabulary, pd.Series(users))


def _interactions(ratings: Ratings, use_features: bool) -> Interactions:
    if isinstance(ratings, Interactions):
        return ratings
    return encode(ratings if isinstance(ratings, RatingsLog) else _log_of(ratings), use_features)


def _beside(ratings: Ratings, train: Interactions) -> Interactions:
    if isinstance(ratings, Interactions):
        return ratings
    table = ratings.ratings if isinstance(ratings, RatingsLog) else _log_of(ratings).ratings
    return to_rows(table, train.users, train.movies)


def _words_of(ratings: Ratings) -> Words:
    if isinstance(ratings, RatingsLog):
        return ratings.words
    return USUAL.words(ratings) if isinstance(ratings, pd.DataFrame) else MOVIES


def _log_of(table: pd.DataFrame) -> RatingsLog:
    types = {"rating": "float32", "timestamp": "int64", "weight": "float32"}
    names = USUAL.ours(table)
    if len(set(names.values())) < len(names):
        raise DataError(f"has two columns of one meaning among {list(names)}", file="ratings", remedy="Drop one")
    table = table.rename(columns=names)
    ids = {column: unify(column, [("ratings", table[column])])[0] for column in ("user_id", "movie_id")}
    typed = table.assign(**ids).astype({name: kind for name, kind in types.items() if name in table})
    return RatingsLog("ratings", typed.reset_index(drop=True))
