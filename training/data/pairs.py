"""Pairs of user and movie as integers, so that millions of them are compared by sorting."""

from __future__ import annotations

import numpy as np
import pandas as pd

_LARGEST = 2**63 - 1


def keys(*tables: pd.DataFrame) -> list[np.ndarray]:
    """An int64 [n] for each of `tables`: equal for rows, of one table or of two, with the same user and movie.

    The tables have columns `user_id` and `movie_id`; a column has one type in all of them.
    """
    users, n_users = _codes([table["user_id"] for table in tables], factorize=False)
    movies, n_movies = _codes([table["movie_id"] for table in tables], factorize=False)
    if n_users * n_movies > _LARGEST:  # ids that are far from each other
        users, _ = _codes([table["user_id"] for table in tables], factorize=True)
        movies, n_movies = _codes([table["movie_id"] for table in tables], factorize=True)
    for of_users, of_movies in zip(users, movies, strict=True):
        of_users *= n_movies
        of_users += of_movies
    return users


def repeated(table: pd.DataFrame) -> np.ndarray:
    """The positions, int64 ascending, of rows whose user and movie another row has too."""
    (found,) = keys(table)
    return _repeated(found)


def _repeated(found: np.ndarray) -> np.ndarray:
    if (found[1:] > found[:-1]).all():  # a file in the order of users and movies
        return np.empty(0, np.int64)
    ordered = np.sort(found)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    return np.flatnonzero(among(found, twice))


def latest(found: np.ndarray, moments: np.ndarray | None = None) -> np.ndarray:
    """bool [n]: the latest row of each pair, of equally late ones the last; every other row is False.

    `found` int64 [n]: what `keys` gives, of one table or of several one after the other. `moments` int64 [n]: when each
    row was; without them the last row of a pair is the latest.
    """
    stays = np.ones(len(found), bool)
    rows = _repeated(found)
    by_moment = () if moments is None else (moments[rows],)
    rows = rows[np.lexsort((*by_moment, found[rows]))]  # stable: of equally late rows the last one stays last
    stays[rows[:-1][found[rows[:-1]] == found[rows[1:]]]] = False
    return stays


def earlier(table: pd.DataFrame, stays: np.ndarray) -> pd.DataFrame | None:
    """`user_id`, `movie_id` and `timestamp` of the rows that do not stay (bool [n]).

    None where all stay, and where it is not known when they were.
    """
    if "timestamp" not in table or stays.all():
        return None
    return table.loc[~stays, ["user_id", "movie_id", "timestamp"]].reset_index(drop=True)


def among(values: np.ndarray, ordered: np.ndarray) -> np.ndarray:
    """bool [n]: which of `values` [n] occur in `ordered` (ascending)."""
    if not len(ordered):
        return np.zeros(len(values), bool)
    places = np.searchsorted(ordered, values)
    np.minimum(places, len(ordered) - 1, out=places)
    return ordered[places] == values


def _codes(columns: list[pd.Series], factorize: bool) -> tuple[list[np.ndarray], int]:
    """Ids as new arrays int64 from 0 up to, not including, a bound, and this bound."""
    if columns[0].dtype == "int64" and not factorize:
        arrays = [column.to_numpy() for column in columns]
        low = min(int(array.min()) for array in arrays if len(array))
        high = max(int(array.max()) for array in arrays if len(array))
        if high - low <= _LARGEST:
            return [array - low for array in arrays], high - low + 1
    if len(columns) == 1 and isinstance(columns[0].dtype, pd.CategoricalDtype):
        return [columns[0].cat.codes.to_numpy(np.int64)], len(columns[0].cat.categories)
    found = [pd.factorize(column) for column in columns]
    codes, unique = pd.factorize(pd.concat([pd.Series(ids).astype(_kind(ids)) for _, ids in found], ignore_index=True))
    starts = np.cumsum([0, *(len(ids) for _, ids in found)])
    return [codes[first + of_column] for first, (of_column, _) in zip(starts, found, strict=False)], len(unique)


def _kind(ids: pd.Index) -> object:
    return "str" if isinstance(ids.dtype, pd.CategoricalDtype) else ids.dtype
