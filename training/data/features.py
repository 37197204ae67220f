"""Which columns of the users and the movies are side features."""

from __future__ import annotations

import pandas as pd

from training.data.log import DataError

USUAL_USER_FEATURES = ("gender", "age", "occupation")
USUAL_MOVIE_FEATURES = ("genres", "year")
SHOWN_ANYWAY = ("title", "year", "genres")


def choose_features(
    users: pd.DataFrame | None, movies: pd.DataFrame | None, features: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(user features, movie features): the columns named in `features`, or the usual ones if it is empty.

    A name that both tables have is a feature of both. Raises DataError for a name that neither has.
    """
    of_users, of_movies = _attributes(users), _attributes(movies)
    if not features:
        return (
            tuple(name for name in USUAL_USER_FEATURES if name in of_users),
            tuple(name for name in USUAL_MOVIE_FEATURES if name in of_movies),
        )
    for name in features:
        if name not in of_users + of_movies:
            raise DataError(
                "is no side feature",
                value=name,
                remedy=f"Available: of users {of_users}, of items {of_movies}",
            )
    return (
        tuple(name for name in features if name in of_users),
        tuple(name for name in features if name in of_movies),
    )


def choose_shown(movies: pd.DataFrame | None, show: tuple[str, ...]) -> tuple[str, ...]:
    """The columns of `show` that answers show beside title, year and genres, which they show anyway.

    Raises DataError for a name that is no column of `movies` with anything in it.
    """
    available = [name for name in _attributes(movies) if name not in SHOWN_ANYWAY]
    chosen = tuple(dict.fromkeys(name for name in show if name not in SHOWN_ANYWAY))
    for name in chosen:
        if name not in available:
            is_empty = movies is not None and name in movies
            problem = "of --show is a column without any value" if is_empty else "of --show is no column of the items"
            raise DataError(problem, value=name, remedy=f"Available: {available}")
    return chosen


def _attributes(table: pd.DataFrame | None) -> list[str]:
    """The columns beside the id that hold anything: `year` or `genres` may be there for the form's sake."""
    if table is None:
        return []
    return [str(name) for name in table.columns[1:] if (table[name].notna() & (table[name] != "")).any()]
