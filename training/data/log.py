"""The rating log: the one carrier of ratings, users and movies, checked when it is built."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from handlers.recommender.model.words import MOVIES, Words
from training.data import pairs
from training.data.digest import sha256_of
from training.errors import UserError
from training.progress import stage

_LONGEST_VALUE = 60  # characters of a value that an error message quotes


class DataError(UserError):
    """Data that cannot be used. The message says where, what and what to do.

    `row` counts from 1 at the first row below the header.
    """

    def __init__(
        self,
        problem: str,
        *,
        file: Path | str = "",
        column: str = "",
        row: int | None = None,
        value: object = None,
        remedy: str = "",
    ):
        self.file, self.column = file, column
        self._rest = {"problem": problem, "row": row, "value": value, "remedy": remedy}
        where = [str(file), f"column {column!r}" if column else "", f"row {row}" if row is not None else ""]
        what = problem if value is None else f"{_short(value)} {problem}"
        place = ", ".join(part for part in where if part)
        super().__init__((f"{place}: " if place else "") + what + (f". {remedy}" if remedy else ""))

    def named(self, names: Mapping[str, str]) -> DataError:
        """The same error with the column's name out of `names`, by ours, where it has one there."""
        return DataError(**self._rest, file=self.file, column=names.get(self.column, self.column))


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + "..."


@dataclass(frozen=True)
class EventsUsed:
    """Which events a log includes: the number of those whose type counts, and the largest ``events.id`` of them."""

    count: int
    last_id: int


@dataclass(frozen=True)
class Weighing:
    """What a row of a log of likes weighs, beside its own weight: `weights.weighing` makes one.

    `events`: by type of event, 0 for events that are left out; None where rows have no type. `half_life`: days after
    which a row counts half; None if it counts for ever.
    """

    events: Mapping[str, float] | None = None
    half_life: float | None = None


AS_THEY_ARE = Weighing()


@dataclass(frozen=True, eq=False)
class RatingsLog:
    """Ratings in file order, with what is known of the users and the movies.

    Raw ids only: nothing here is a dense row. The ids of one column are all `int64` or all texts: pandas `str`,
    or, in the `ratings` of a large log, categories that are `str`. A side table has integers where its column in
    `ratings` has them, else `str`. A pair of user and movie occurs once. The ratings may be mapped from files.

    - `ratings`: `user_id`, `movie_id`, and, where known, `rating` (float32, finite) and `timestamp` (int64,
      seconds since 1970). The index is 0, 1, ... Without `rating` every row is a like; then there may be a
      `weight` (float32, finite, above 0): how much says so, as the number of plays or purchases does.
    - `earlier`: None, or `user_id`, `movie_id` and `timestamp` of what happened before to pairs of `ratings`: plays
      before the latest one, purchases before the last. They say what was popular when, and when a movie came.
    - `users`: None, or `user_id` and attributes (numbers, or `str` with "" for missing), one row a user. It
      need not name every user of `ratings`.
    - `movies`: None, or `movie_id`, `title` (`str`, "" if unknown), `year` (nullable Int64), `genres` (`str`,
      names joined by "|", "" if none) and other attributes, one row a movie. It may name movies that nobody
      rated.
    - `user_features`, `movie_features`: the attributes that are side features.
    - `shown`: the attributes of the movies that answers show beside title, year and genres.
    - `events`: which events of the store are among the ratings, None if none are.
    - `words`: what the files call the movies. `columns`: the files' names of columns, by role, where they were given.
    - `weighing`: what the rows of likes have been weighed by, which holds for those that join them.

    Raises DataError where any of this does not hold.
    """

    name: str
    ratings: pd.DataFrame
    users: pd.DataFrame | None = None
    movies: pd.DataFrame | None = None
    user_features: tuple[str, ...] = ()
    movie_features: tuple[str, ...] = ()
    events: EventsUsed | None = None
    shown: tuple[str, ...] = ()
    words: Words = MOVIES
    columns: Mapping[str, str] = field(default_factory=dict)
    weighing: Weighing = AS_THEY_ARE
    earlier: pd.DataFrame | None = None

    def __post_init__(self) -> None:
        _check_ratings(self.name, self.ratings)
        if self.movies is not None:
            _check_shown(f"{self.name} movies", self.movies)
        _check_side(f"{self.name} users", self.users, "user_id", self.ratings, self.user_features)
        _check_side(f"{self.name} movies", self.movies, "movie_id", self.ratings, self.movie_features + self.shown)

    def __len__(self) -> int:
        return len(self.ratings)

    @property
    def has_ratings(self) -> bool:
        """False where every row is a like."""
        return "rating" in self.ratings

    @property
    def has_weights(self) -> bool:
        """Whether likes count differently."""
        return "weight" in self.ratings

    @property
    def has_timestamps(self) -> bool:
        """Whether it is known when each rating was given."""
        return "timestamp" in self.ratings

    @property
    def scale(self) -> tuple[float, float]:
        """The lowest and the highest rating of the log. Raises DataError if the log has likes only."""
        if not self.has_ratings:
            raise DataError(
                "has no ratings, every row is a like",
                file=self.name,
                remedy="Train for ranking or for 'like'",
            )
        return float(self.ratings["rating"].min()), float(self.ratings["rating"].max())

    @cached_property
    def sha256(self) -> str:
        """Hex digest of the tables' contents, whatever file they came from. The ratings' order counts."""
        with stage("hashing the log"):
            sides = (
                None if table is None else table.sort_values(table.columns[0]) for table in (self.users, self.movies)
            )
            return sha256_of(self.ratings, *sides, *(() if self.earlier is None else (self.earlier,)))

    def has(self, others: pd.DataFrame) -> np.ndarray:
        """bool [n]: which pairs of `user_id` and `movie_id` (ids in this log's types) it has a row of."""
        ours, theirs = pairs.keys(self.ratings, others)
        return pairs.among(theirs, np.sort(ours))

    def with_rows(self, index: np.ndarray) -> RatingsLog:
        """The same users and movies, the ratings at the positions `index` (int [n] or bool [len(self)])."""
        return dataclasses.replace(self, ratings=self.ratings.iloc[index].reset_index(drop=True))


def _check_ratings(name: str, ratings: pd.DataFrame) -> None:
    _require(ratings, ("user_id", "movie_id"), name)
    if extra := set(ratings) - {"user_id", "movie_id", "rating", "timestamp", "weight"}:
        raise DataError(f"unknown columns {sorted(extra)}", file=name, remedy="Drop them")
    if {"rating", "weight"} <= set(ratings):
        raise DataError("has ratings, and weights of likes", file=name, remedy="Drop one of the two columns")
    if ratings.empty:
        raise DataError("has no rows", file=name, remedy="Give at least one row")
    if not ratings.index.equals(pd.RangeIndex(len(ratings))):
        raise DataError("the index of the ratings is not 0, 1, ...", file=name, remedy="Call reset_index(drop=True)")
    for column in ("user_id", "movie_id"):
        _check_ids(name, ratings[column])
    for column, dtype in (("rating", "float32"), ("timestamp", "int64"), ("weight", "float32")):
        if column in ratings and ratings[column].dtype != dtype:
            raise DataError(f"has dtype {ratings[column].dtype}, not {dtype}", file=name, column=column)
    for column, problem, least in (("rating", "is not finite", -np.inf), ("weight", "is not above 0 and finite", 0)):
        if column in ratings and not (fits := np.isfinite(ratings[column]) & (ratings[column] > least)).all():
            row = int(np.argmin(fits))
            raise DataError(problem, file=name, column=column, row=row + 1, value=float(ratings[column].iat[row]))
    rows = pairs.repeated(ratings)
    if len(rows):
        again = rows[ratings.iloc[rows].duplicated(["user_id", "movie_id"])]
        raise DataError(
            f"{len(again)} pairs of user and movie occur again, the first here",
            file=name,
            row=int(again[0]) + 1,
            remedy="Keep one row a pair",
        )


def _check_shown(name: str, movies: pd.DataFrame) -> None:
    _require(movies, ("movie_id", "title", "year", "genres"), name)
    for column in ("title", "genres"):
        if not isinstance(movies[column].dtype, pd.StringDtype) or movies[column].isna().any():
            raise DataError('is not str throughout, "" where unknown', file=name, column=column)
    if movies["year"].dtype != "Int64":
        raise DataError(f"has dtype {movies['year'].dtype}, not Int64", file=name, column="year")


def _check_side(
    name: str, table: pd.DataFrame | None, key: str, ratings: pd.DataFrame, features: tuple[str, ...]
) -> None:
    columns = [] if table is None else list(table)
    if missing := [feature for feature in features if feature not in columns or feature == key]:
        raise DataError(f"no side features {missing}", file=name, remedy=f"Available: {columns}")
    if table is None:
        return
    if columns[:1] != [key]:
        raise DataError(f"the first column is not {key!r}", file=name, remedy=f"Columns: {columns}")
    _check_ids(name, table[key])
    if table[key].dtype != (ratings[key].cat.categories if are_categories(ratings[key]) else ratings[key]).dtype:
        raise DataError(f"has dtype {table[key].dtype}, the ratings have {ratings[key].dtype}", file=name, column=key)
    if not table[key].is_unique:
        row = int(table[key].duplicated().argmax())
        raise DataError("occurs twice", file=name, column=key, row=row + 1, value=table[key].iat[row])


def are_categories(ids: pd.Series) -> bool:
    """Whether each different id is kept once, and a code for each row."""
    return isinstance(ids.dtype, pd.CategoricalDtype)


def _check_ids(name: str, ids: pd.Series) -> None:
    values = ids.cat.categories if are_categories(ids) else ids
    if values.dtype != "int64" and not isinstance(values.dtype, pd.StringDtype):
        raise DataError(
            f"has dtype {ids.dtype}",
            file=name,
            column=str(ids.name),
            remedy="The ids of a column are all int64 or all str",
        )
    if ids.isna().any():
        raise DataError("the id is missing", file=name, column=str(ids.name), row=int(ids.isna().argmax()) + 1)


def _require(table: pd.DataFrame, columns: tuple[str, ...], name: str) -> None:
    if missing := [column for column in columns if column not in table]:
        raise DataError(f"no columns {missing}", file=name, remedy=f"Columns found: {list(table)}")
