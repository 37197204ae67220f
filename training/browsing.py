"""What lists for nobody in particular are made from: ages of ratings, dates of movies, and what features promise."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from handlers.recommender.model.timeline import MOST_DAYS, NO_DATE

from .data.log import DataError, RatingsLog
from .data.pairs import among
from .data.times import WholeSeconds
from .interactions import Interactions, rows_of
from .rankers.unrated import by_features

SECONDS_A_DAY = 86_400
DATES = ("added", "released")  # columns of the movies that say when a movie was new, the first that is there
FROM_LOG = "log"
LAST_YEAR = 9999  # a smaller number in such a column is a year


def browse_arrays(log: RatingsLog, known: Interactions) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays of ``files.AGE_ARRAYS``, ``ADDED_ARRAYS`` and ``EXPECTED_ARRAYS``, and their fields of the metadata.

    ``known``: the rows of ``log`` that the archive knows, and its sides.
    """
    arrays, fields = {}, {"added_by": None}
    if known.timestamps is not None:
        last = int(known.timestamps.max())
        rows = every_row(log, known)
        arrays |= ages(*rows, last, known.shape[1]) | {"movie_added": first_times(*rows, known.shape[1])}
        fields |= {"last_timestamp": last, "added_by": FROM_LOG}
    column = dates_column(log)
    if column is not None:
        with suppress(DataError):  # ``checks`` has warned of it
            arrays["movie_added"] = dates(log, column, known.movies.vocabulary.to_rows, known.shape[1])
            fields["added_by"] = column
    if known.movies.schema.fields:
        counts = np.bincount(known.movie_rows, minlength=known.shape[1]).astype(np.float64)
        arrays["expected_ratings"] = by_features(known.movies, counts[:, None])[:, 0].clip(0)
        fields["expects_ratings"] = True
    return arrays, fields


def every_row(log: RatingsLog, known: Interactions) -> tuple[np.ndarray, np.ndarray]:
    """Movie rows and moments int64 [n] of all that happened to the pairs of ``known``: repeats too."""
    if log.earlier is None:
        return known.movie_rows, known.timestamps
    movies = rows_of(known.movies.vocabulary, log.earlier["movie_id"]).astype(np.int64)
    found = rows_of(known.users.vocabulary, log.earlier["user_id"]) * np.int64(known.shape[1]) + movies
    of_known = among(found, np.sort(known.user_rows * np.int64(known.shape[1]) + known.movie_rows))
    moments = log.earlier["timestamp"].to_numpy()[of_known]
    return np.concatenate([known.movie_rows, movies[of_known]]), np.concatenate([known.timestamps, moments])


def ages(movie_rows: np.ndarray, moments: np.ndarray, last: int, movies: int) -> dict[str, np.ndarray]:
    """The days of all rows [n] before ``last``, those of a movie together (``timeline.Timeline``)."""
    days = np.minimum((last - moments) // SECONDS_A_DAY, MOST_DAYS)
    keys = movie_rows.astype(np.int64) * (MOST_DAYS + 1) + days
    keys.sort()
    offsets = np.zeros(movies + 1, np.int64)
    np.cumsum(np.bincount(movie_rows, minlength=movies), out=offsets[1:])
    return {"rating_ages": (keys % (MOST_DAYS + 1)).astype(np.uint16), "rating_age_offsets": offsets}


def first_times(movie_rows: np.ndarray, moments: np.ndarray, movies: int) -> np.ndarray:
    """When each movie was first in the log: int64 [movies], ``NO_DATE`` for never."""
    first = np.full(movies, np.iinfo(np.int64).max)
    np.minimum.at(first, movie_rows, moments)
    first[np.bincount(movie_rows, minlength=movies) == 0] = NO_DATE
    return first


def dates_column(log: RatingsLog) -> str | None:
    """The column of the movies that says when each was new; None where there is none."""
    return next((name for name in DATES if log.movies is not None and name in log.movies), None)


def dates(log: RatingsLog, column: str, to_rows: Any, rows: int) -> np.ndarray:
    """When each movie was new, by a column of the movies: int64 [rows], ``NO_DATE`` where a movie has no value.

    The column holds what a timestamp may be (``times.WholeSeconds``), or years. Raises DataError for anything else.
    """
    values = log.movies[column]
    given = values[values.notna() & (values != "")]
    found = np.full(rows, NO_DATE)
    if len(given):
        seconds = WholeSeconds(Path(log.words.many)).of(given).to_numpy()
        years = np.abs(seconds) <= LAST_YEAR
        starts = (np.clip(seconds, -LAST_YEAR, LAST_YEAR) - 1970).astype("datetime64[Y]").astype("datetime64[s]")
        found[to_rows(log.movies.loc[given.index, "movie_id"].tolist())] = np.where(
            years, starts.astype(np.int64), seconds
        )
        found[0] = NO_DATE
    return found


def unread_dates(log: RatingsLog) -> list[str]:
    """A warning where the column of dates holds something else, so that the log alone says what is new."""
    column = dates_column(log)
    if column is None:
        return []
    try:
        dates(log, column, lambda ids: np.zeros(len(ids), np.int64), 1)
    except DataError as error:
        return [f"{error}. Until then the log says when {log.words.a} was new: when it was first in it"]
    return []
