"""A rating log in rows: dictionaries, side features as arrays, and the ratings as aligned arrays."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy import sparse

from handlers.recommender.model.features import FeatureSchema, Field, tags_of, text_of
from handlers.recommender.model.vocabulary import Vocabulary

from .data.log import RatingsLog
from .progress import stage

MAX_CATEGORIES = 25  # a numeric column with more distinct values than this is binned
BINS = 10


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

    ``user_rows``, ``movie_rows`` int64 [n] and ``ratings`` float32 [n] (NaN for a like) are aligned. ``users`` and
    ``movies`` say which id each row stands for.
    """

    users: SideData
    movies: SideData
    user_rows: np.ndarray
    movie_rows: np.ndarray
    ratings: np.ndarray

    def __len__(self) -> int:
        return len(self.user_rows)

    def take(self, index: np.ndarray) -> Interactions:
        """The same sides, the ratings at the positions ``index`` (int64) alone."""
        return dataclasses.replace(
            self,
            user_rows=self.user_rows[index],
            movie_rows=self.movie_rows[index],
            ratings=self.ratings[index],
        )

    def with_pairs(self, user_rows: np.ndarray, movie_rows: np.ndarray) -> Interactions:
        """The same sides, and pairs of rows int64 [n] without a rating."""
        ratings = np.full(len(user_rows), np.nan, np.float32)
        return dataclasses.replace(self, user_rows=user_rows, movie_rows=movie_rows, ratings=ratings)

    @property
    def has_ratings(self) -> bool:
        """False where every row is a like."""
        return not np.isnan(self.ratings[0])

    @property
    def shape(self) -> tuple[int, int]:
        """How many rows the two sides have, those of the unknown ids included: (users, movies)."""
        return len(self.users.vocabulary), len(self.movies.vocabulary)

    @cached_property
    def pairs(self) -> sparse.csr_array:
        """bool [users, movies]: which pairs occur."""
        return sparse.csr_array((np.ones(len(self), bool), (self.user_rows, self.movie_rows)), self.shape)


@stage("turning ids into rows")
def encode(log: RatingsLog, use_features: bool) -> Interactions:
    """Turn a log into rows. The dictionaries cover the log and the users and movies files.

    ``use_features``: whether the log's side features become columns; ids-only models have none.
    """
    users = _side(log.ratings["user_id"], log.users, log.user_features if use_features else ())
    movies = _side(log.ratings["movie_id"], log.movies, log.movie_features if use_features else ())
    return to_rows(log.ratings, users, movies)


def to_rows(ratings: pd.DataFrame, users: SideData, movies: SideData) -> Interactions:
    """Ratings in the rows of given dictionaries; an id that they do not know is row 0."""
    if "rating" in ratings:
        values = ratings["rating"].to_numpy(np.float32, copy=True)  # pandas' own array is read-only, tensors are not
    else:
        values = np.full(len(ratings), np.nan, np.float32)
    return Interactions(
        users,
        movies,
        rows_of(users.vocabulary, ratings["user_id"]),
        rows_of(movies.vocabulary, ratings["movie_id"]),
        values,
    )


def rows_of(vocabulary: Vocabulary, ids: pd.Series) -> np.ndarray:
    """The rows int64 [n] of ids [n], 0 for those that the dictionary does not know."""
    codes, unique = pd.factorize(ids)  # each id is looked up once
    return np.array(vocabulary.to_rows(unique.tolist()), np.int64)[codes]


def feature_matrix(side: SideData) -> sparse.csr_array:
    """Side features by row: float32 [rows, feature-table rows]. Row 0 has every feature's missing value."""
    rows = np.repeat(np.arange(len(side.features)), side.features.shape[1])
    shape = (len(side.features), side.schema.size)
    return sparse.csr_array((side.weights.ravel(), (rows, side.features.ravel())), shape)


def _side(ids: pd.Series, table: pd.DataFrame | None, names: Sequence[str]) -> SideData:
    known = set(ids.tolist())
    if table is not None:
        known.update(table.iloc[:, 0].tolist())
    vocabulary = Vocabulary(sorted(known))
    if table is None or not names:
        return SideData(
            vocabulary,
            FeatureSchema(),
            np.zeros((len(vocabulary), 0), np.int64),
            np.zeros((len(vocabulary), 0), np.float32),
        )
    schema = _schema(table, names)
    values = {row[0]: dict(zip(names, row[1:], strict=True)) for row in _tuples(table, names)}
    encoded = [schema.encode(values.get(raw, {})) for raw in vocabulary.ids]
    return SideData(
        vocabulary,
        schema,
        np.array([indices for indices, _, _ in encoded], np.int64),
        np.array([weights for _, weights, _ in encoded], np.float32),
    )


def _tuples(table: pd.DataFrame, names: Sequence[str]) -> list[tuple]:
    columns = table[[table.columns[0], *names]].astype(object)
    return list(columns.where(columns.notna(), None).itertuples(index=False, name=None))


def _schema(table: pd.DataFrame, names: Sequence[str]) -> FeatureSchema:
    fields: list[Field] = []
    offset = 0
    for name in names:
        field = _field(name, table[name].dropna(), offset)
        fields.append(field)
        offset += field.size
    return FeatureSchema(tuple(fields))


def _field(name: str, column: pd.Series, offset: int) -> Field:
    """A field made for a column: tags where ``|`` separates values, bins for many numbers, else categories."""
    if pd.api.types.is_numeric_dtype(column):
        if column.nunique() > MAX_CATEGORIES:
            quantiles = np.quantile(column.astype(float), np.linspace(0, 1, BINS + 1)[1:-1])
            return Field(name, "number", 1, offset, edges=tuple(np.unique(quantiles).tolist()))
        return Field(name, "category", 1, offset, values=tuple(text_of(value) for value in sorted(column.unique())))
    texts = column.astype(str)
    if name == "genres" or texts.str.contains("|", regex=False).any():
        lists = [tags_of(text) for text in texts]
        most = max((len(tags) for tags in lists), default=1)
        return Field(name, "tags", max(most, 1), offset, values=tuple(sorted({tag for tags in lists for tag in tags})))
    return Field(name, "category", 1, offset, values=tuple(sorted(set(texts) - {""})))
