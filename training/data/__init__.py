"""Rating logs: `load` is the way in, `split` says which rows are for what."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from training.data import movielens, planted, prepared
from training.data.features import choose_features, choose_shown
from training.data.files import read_log, read_pairs
from training.data.log import AS_THEY_ARE, DataError, RatingsLog, Weighing
from training.data.naming import ColumnNames, with_name
from training.data.splits import Split, split
from training.data.synthetic import Truth, generate
from training.data.weights import refuse_weighing

__all__ = [
    "NAMES",
    "DataError",
    "RatingsLog",
    "Split",
    "Truth",
    "generate",
    "load",
    "read_pairs",
    "split",
    "with_events",
]

NAMES = (*movielens.READERS, "synthetic", *planted.NAMES)
DEFAULT = "ml-100k"


def load(
    data: str | None = None,
    *,
    ratings: Path | None = None,
    users: Path | None = None,
    movies: Path | None = None,
    features: tuple[str, ...] = (),
    by: Weighing = AS_THEY_ARE,
    folder: Path = Path("data"),
    columns: str = "",
    item_name: str = "",
    show: tuple[str, ...] = (),
) -> RatingsLog:
    """The data set `data` (one of `NAMES`, fetched into `folder` once), or the user's own file.

    `ratings`, or a path as `data`, is a ratings file; `users` and `movies` go with it (`files.read_log`).
    `features` names the side features, () the usual ones; `by` says what rows of likes weigh (`read_log`). Without
    `data` and `ratings` it is `DEFAULT`.

    `columns`: the names of columns in the files, "user=customer,item=sku" (`naming.ColumnNames`). `item_name`: what
    one item is called, "product". `show`: the columns of `movies` that answers show.

    Raises DataError for what cannot be fetched or read, for both `data` and `ratings`, and for `users`, `movies` or
    `columns` beside a data set's name.
    """
    log = _read(data, ratings, users, movies, features, by, folder, ColumnNames.parse(columns))
    if not (item_name or show):
        return log
    words = with_name(log.words, item_name) if item_name else log.words
    return dataclasses.replace(log, words=words, shown=choose_shown(log.movies, show))


def _read(
    data: str | None,
    ratings: Path | None,
    users: Path | None,
    movies: Path | None,
    features: tuple[str, ...],
    by: Weighing,
    folder: Path,
    names: ColumnNames,
) -> RatingsLog:
    if data is not None and ratings is not None:
        raise DataError(
            f"--data {data} and --ratings {ratings} are two logs",
            remedy=f"Give one of them (to make: DATA={ratings})",
        )
    data = data or DEFAULT
    if ratings is None and data not in NAMES and not Path(data).exists():
        raise DataError("is no data set and no file", value=data, remedy=f"Known data sets: {', '.join(NAMES)}")
    if ratings is not None or data not in NAMES:
        where = folder / prepared.FOLDER.name
        return read_log(Path(ratings or data), users, movies, features, prepared_in=where, names=names, by=by)
    if names.given:
        raise DataError(
            "has columns of its own, --columns does not go with it", file=data, remedy="Give the ratings as a file"
        )
    if users is not None or movies is not None:
        raise DataError(
            f"has its own users and movies, {users or movies} does not go with it",
            file=data,
            remedy="Give the ratings as a file too",
        )
    refuse_weighing(by, data)  # all of them have ratings
    log = _named(data, folder)
    if not features:
        return log
    chosen = choose_features(log.users, log.movies, features)
    return dataclasses.replace(log, user_features=chosen[0], movie_features=chosen[1])


def _named(name: str, folder: Path) -> RatingsLog:
    if name == "synthetic":
        return generate().log
    return (planted if name in planted.NAMES else movielens).load(name, folder)


def with_events(log: RatingsLog, store: str) -> RatingsLog:
    """The log with the events of a store (`events.with_events`)."""
    from training.data import events  # SQLAlchemy takes its time to import

    return events.with_events(log, store)
