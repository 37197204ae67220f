"""A rating log in rows: dictionaries, side features as arrays, and the ratings as aligned arrays."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy import sparse

from handlers.recommender.model.features import FeatureSchema
from handlers.recommender.model.vocabulary import Vocabulary

from .arrow_texts import texts_of
from .data.log import RatingsLog
from .progress import stage
from .side_features import encode_table, schema_of

ROW = np.int32  # of the rows of ratings: half the memory of int64, and no side has 2^31 entities


@dataclass(frozen=True)
class SideData:
    """One side of the interactions: ids and side features by row (row 0 is unknown, with every feature missing)."""

    vocabulary: Vocabulary
    schema: FeatureSchema
    features: np.ndarray  # [rows, C] int64
    weights: np.ndarray  # [rows, C] float32


@dataclass(frozen=True)
class Interactions:
    """Who rated what, and how: what every model is fitted to and measured on.

    ``user_rows``, ``movie_rows`` int32 [n] (int64 serves too) and ``ratings`` float32 [n] (NaN for a like) are aligned.
    ``users`` and ``movies`` say which id each row stands for. ``timestamps`` int64 [n]: seconds since 1970, None where
    the log has none. ``weights`` float32 [n]: how much says that these are likes, None where all say the same.
    """

    users: SideData
    movies: SideData
    user_rows: np.ndarray
    movie_rows: np.ndarray
    ratings: np.ndarray
    timestamps: np.ndarray | None = None
    weights: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.user_rows)

    def take(self, index: np.ndarray | slice) -> Interactions:
        """The same sides, the ratings at the positions ``index`` (int64) alone; of a slice, without a copy."""
        return dataclasses.replace(
            self,
            user_rows=self.user_rows[index],
            movie_rows=self.movie_rows[index],
            ratings=self.ratings[index],
            timestamps=None if self.timestamps is None else self.timestamps[index],
            weights=None if self.weights is None else self.weights[index],
        )

    def some(self, most: int, seed: int) -> Interactions:
        """The same sides, and ``most`` of the ratings, drawn at random, in their order; all where there are fewer."""
        if len(self) <= most:
            return self
        return self.take(np.sort(np.random.default_rng(seed).choice(len(self), most, replace=False)))

    def with_pairs(self, user_rows: np.ndarray, movie_rows: np.ndarray) -> Interactions:
        """The same sides, and pairs of rows [n] without rating, timestamp and weight."""
        ratings = np.full(len(user_rows), np.nan, np.float32)
        none = {"timestamps": None, "weights": None}
        return dataclasses.replace(self, user_rows=user_rows, movie_rows=movie_rows, ratings=ratings, **none)

    @property
    def has_ratings(self) -> bool:
        """False where every row is a like."""
        return not np.isnan(self.ratings[0])

    @property
    def shape(self) -> tuple[int, int]:
        """How many rows the two sides have, those of the unknown ids included: (users, movies)."""
        return len(self.users.vocabulary), len(self.movies.vocabulary)

    @cached_property
    def histories(self) -> sparse.csr_array:
        """float32 [users, movies]: the ratings by user, in the order of the movies' rows; NaN for a like."""
        return sparse.csr_array((self.ratings, (self.user_rows, self.movie_rows)), self.shape)

    @cached_property
    def pairs(self) -> sparse.csr_array:
        """bool [users, movies]: which pairs occur."""
        by_user = self.histories
        return sparse.csr_array((np.ones(by_user.nnz, bool), by_user.indices, by_user.indptr), self.shape)


@stage("turning ids into rows")
def encode(log: RatingsLog, use_features: bool) -> Interactions:
    """Turn a log into rows. The dictionaries cover the log and the users and movies files.

    ``use_features``: whether the log's side features become columns; ids-only models have none.
    """
    users, user_rows = _side(log.ratings["user_id"], log.users, log.user_features if use_features else ())
    movies, movie_rows = _side(log.ratings["movie_id"], log.movies, log.movie_features if use_features else ())
    known = _column(log.ratings, "timestamp"), _column(log.ratings, "weight")
    return Interactions(users, movies, user_rows, movie_rows, _values(log.ratings), *known)


def to_rows(ratings: pd.DataFrame, users: SideData, movies: SideData) -> Interactions:
    """Ratings in the rows of given dictionaries; an id that they do not know is row 0."""
    return Interactions(
        users,
        movies,
        rows_of(users.vocabulary, ratings["user_id"]),
        rows_of(movies.vocabulary, ratings["movie_id"]),
        _values(ratings),
        _column(ratings, "timestamp"),
        _column(ratings, "weight"),
    )


def _values(ratings: pd.DataFrame) -> np.ndarray:
    if "rating" in ratings:
        return ratings["rating"].to_numpy(np.float32, copy=True)  # pandas' own array is read-only, tensors are not
    return np.full(len(ratings), np.nan, np.float32)


def _column(ratings: pd.DataFrame, name: str) -> np.ndarray | None:
    return ratings[name].to_numpy() if name in ratings else None


def rows_of(vocabulary: Vocabulary, ids: pd.Series) -> np.ndarray:
    """The rows int32 [n] of ids [n], 0 for those that the dictionary does not know."""
    codes, unique = pd.factorize(ids)  # each id is looked up once
    return np.array(vocabulary.to_rows(unique.tolist()), ROW)[codes]


def feature_matrix(side: SideData) -> sparse.csr_array:
    """Side features by row: float32 [rows, feature-table rows]. Row 0 has every feature's missing value."""
    rows = np.repeat(np.arange(len(side.features)), side.features.shape[1])
    shape = (len(side.features), side.schema.size)
    return sparse.csr_array((side.weights.ravel(), (rows, side.features.ravel())), shape)


def _side(ids: pd.Series, table: pd.DataFrame | None, names: Sequence[str]) -> tuple[SideData, np.ndarray]:
    """The side that has the ids [n] and those of the side table, and the rows int32 [n] of the ids."""
    codes, unique = pd.factorize(ids)
    if isinstance(unique.dtype, pd.CategoricalDtype):
        unique = unique.astype(unique.categories.dtype)
    known = pd.Index(unique)
    if table is not None:
        known = known.union(pd.Index(table.iloc[:, 0]), sort=False)
    known = known.sort_values()
    vocabulary = Vocabulary(texts_of(known) if known.dtype == "str" else known.to_numpy())
    rows = (1 + known.get_indexer(unique)).astype(ROW)[codes]
    if table is None or not names:
        nothing = np.zeros((len(vocabulary), 0), np.int64)
        return SideData(vocabulary, FeatureSchema(), nothing, nothing.astype(np.float32)), rows
    schema = schema_of(table, names)
    indices, weights = encode_table(schema, table)
    places = np.zeros(len(vocabulary), np.int64)  # an id without a row in the table has missing values
    places[1 + known.get_indexer(table.iloc[:, 0])] = 1 + np.arange(len(table))
    return SideData(vocabulary, schema, indices[places], weights[places]), rows
