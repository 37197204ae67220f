"""A user's own rating log: what the columns of the files mean, with errors that say what to mend."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from training.data import ids, prepared
from training.data.features import choose_features
from training.data.log import AS_THEY_ARE, DataError, RatingsLog, Weighing
from training.data.naming import OF_ITEMS, OF_LOG, OF_USERS, USUAL, ColumnNames
from training.data.pairs import earlier, keys, latest
from training.data.ratings import read_ratings
from training.data.tables import column_names, read_table, refuse, with_points
from training.data.titles import split_titles
from training.data.weights import EVENT_WEIGHTS, refuse_weighing, weighed
from training.progress import stage

log = logging.getLogger(__name__)

PAIR = ("user_id", "movie_id")
_NUMBER = r"(?:-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?)"
_CURRENCY = r"(?:[€$£¥]|EUR|USD|GBP|CHF|kr|zł)"
# What somebody means as a number: with a currency, or with separators of thousands.
_AMOUNT = rf"(?:{_CURRENCY}\s?)?-?(?:0|[1-9]\d*|[1-9]\d{{0,2}}(?:[.,']\d{{3}})+)(?:[.,]\d+)?(?:\s?{_CURRENCY})?"
NEARLY_ALL = 0.8  # of a column's values: if more are meant as numbers, the column probably is
_ENDS_WITH_YEAR = r"\(\d{4}\)\s*$"


@stage("reading the log")
def read_log(
    ratings: Path,
    users: Path | None = None,
    movies: Path | None = None,
    features: tuple[str, ...] = (),
    name: str | None = None,
    prepared_in: Path = prepared.FOLDER,
    names: ColumnNames = USUAL,
    by: Weighing = AS_THEY_ARE,
) -> RatingsLog:
    """A log from files; `name` is the ratings file's stem unless given.

    The columns of a large `ratings` are kept in `prepared_in` (`prepared.columns_of`).

    - `ratings`: columns `user_id`, `movie_id` and perhaps `rating` (a number; without the column every row is
      a like) and `timestamp` (`times.WholeSeconds`). Other columns are left out. Of several ratings of one
      pair the latest is kept (without timestamps, the last of the file), and their number is logged as a
      warning.
    - Without ratings `ratings` may have a `weight` (a number above 0) and an `event` (or `type`, such as
      "purchase"). Of several rows of one pair one is kept, with the sum of what they weigh (`weights.weighed`).
      `by`: what else they weigh by; types of events have their usual weights unless it has others.
    - `users`: `user_id` and attributes. A column of numbers without leading zeros is numbers, any other is
      text.
    - `movies`: `movie_id` and attributes, of which `title`, `year` and `genres` ("Comedy|Drama") are shown in
      answers. Where there is no `year` and titles end in one, "Matrix, The (1999)" is read as MovieLens means
      it.
    - A number may have a decimal comma (`tables.with_points`).
    - `features` names the columns of `users` and `movies` that are side features. Empty, they are `gender`,
      `age` and `occupation` of the users, `genres` and `year` of the movies, as far as there are such
      columns.

    `item_id` is accepted for `movie_id`, and MovieLens' `userId` and `movieId`; `names` gives other names of columns.
    The log's words are those of `ratings`. The ids of a column are all integers or all strings (`ids.unify`).

    Raises DataError, naming file, column, row and value, for anything that cannot be read as this.
    """
    given, of_users, of_movies = names.given, names.only(OF_USERS), names.only(OF_ITEMS)
    names = names.only(OF_LOG, lenient=False)
    with _in_the_words_of((ratings, PAIR, names), (users, ("user_id",), of_users), (movies, ("movie_id",), of_movies)):
        table = prepared.columns_of(ratings, prepared_in, names)
        user_table = None if users is None else read_table(users, ("user_id",), of_users)
        movie_table = None if movies is None else read_table(movies, ("movie_id",), of_movies)
        _require_title(of_movies, movies)
        table["user_id"] = _unify("user_id", (ratings, table), (users, user_table))
        table["movie_id"] = _unify("movie_id", (ratings, table), (movies, movie_table))
        user_table = None if user_table is None else _side(user_table, "user_id", users)
        movie_table = None if movie_table is None else _movies(_side(movie_table, "movie_id", movies), movies)
    user_features, movie_features = choose_features(user_table, movie_table, features)
    if "rating" in table:
        refuse_weighing(by, ratings)
        if "weight" in names.theirs:
            raise DataError(
                "has ratings, and weights are for likes",
                file=ratings,
                column=names.theirs["weight"],
                remedy="Omit weight= in --columns, or leave the ratings out",
            )
    elif "event" in table and by.events is None:
        by = dataclasses.replace(by, events=EVENT_WEIGHTS)
    with _in_the_words_of((ratings, PAIR, names)):
        rows, others = _without_repeats(table, ratings) if "rating" in table else weighed(table, by, ratings)
    return RatingsLog(
        name=name or ratings.name.split(".")[0],
        ratings=rows,
        earlier=others,
        users=user_table,
        movies=movie_table,
        user_features=user_features,
        movie_features=movie_features,
        words=names.words(column_names(ratings, PAIR, names)),
        columns=dict(given),
        weighing=by,
    )


def _require_title(names: ColumnNames, movies: Path | None) -> None:
    """Raises DataError where the given column of titles is not in the file of the items."""
    column = names.theirs.get("title")
    if column is None:
        return
    there = [] if movies is None else [name.strip() for name in column_names(movies, ("movie_id",), names)]
    if column not in there:
        raise DataError(
            f"has no column {column!r}",
            file=movies or "--items",
            remedy=f"Columns found: {there}. title= in --columns names the column of the items' titles",
        )


@contextmanager
def _in_the_words_of(*files: tuple[Path | None, tuple[str, ...], ColumnNames]) -> Iterator[None]:
    """An error that names a column of one of `files` (path, required columns, names) names it as the file does."""
    try:
        yield
    except DataError as error:
        for path, required, names in files:
            if error.column and error.file == path:
                ours = names.ours(column_names(path, required, names))
                raise error.named({name: raw.strip() for raw, name in ours.items()}) from error.__cause__
        raise


@stage("reading the test rows")
def read_pairs(path: Path, like: RatingsLog, allow_overlap: bool = False) -> pd.DataFrame:
    """The rows of a test file: columns as in the ratings file of `like`, every row in file order, ids in the
    type of `like`.

    Users and movies that `like` does not have are kept. Raises DataError as `read_log` does, for an id that is
    no integer where those of `like` are, and, unless `allow_overlap`, for pairs of user and movie that `like`
    has a row of too.
    """
    names = ColumnNames(tuple(like.columns.items()), lenient=True)
    with _in_the_words_of((path, PAIR, names)):
        pairs = read_ratings(path, names).drop(columns=["weight", "event"], errors="ignore")
        for column in PAIR:
            pairs[column] = ids.coerce(column, (path, pairs[column]), like.ratings[column])
    both = like.has(pairs)
    if both.any() and not allow_overlap:
        raise DataError(
            f"{both.sum():,} of its {len(pairs):,} rows, of which this is the first, are of a user and a "
            f"{like.words.one} that the log has a row of: training would see what it is measured on",
            file=path,
            row=int(both.argmax()) + 1,
            remedy="Take them out of one of the two, or measure on them with --allow-overlap",
        )
    return pairs


def _unify(column: str, first: tuple[Path, pd.DataFrame], second: tuple[Path | None, pd.DataFrame | None]) -> pd.Series:
    """The ids of `first`'s column; those of `second`'s, if any, are replaced in its table."""
    parts = [(path, table[column]) for path, table in (first, second) if table is not None]
    unified = ids.unify(column, parts)
    if second[1] is not None:
        second[1][column] = unified[1]
    return unified[0]


def _without_repeats(ratings: pd.DataFrame, path: Path) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """The latest row of each pair (`pairs.latest`), and the others (`pairs.earlier`)."""
    (found,) = keys(ratings)
    stays = latest(found, ratings["timestamp"].to_numpy() if "timestamp" in ratings else None)
    if stays.all():
        return ratings, None
    log.warning(
        "%s: %d rows repeat a pair of a user and an item; the %s row of each pair is kept.",
        path,
        (~stays).sum(),
        "latest" if "timestamp" in ratings else "last",
    )
    return ratings[stays].reset_index(drop=True), earlier(ratings, stays)


def _side(table: pd.DataFrame, key: str, path: Path) -> pd.DataFrame:
    """`key` first, then the attributes: int64 or float64 (NaN is missing) if all are numbers, else `str`."""
    refuse(table[key].duplicated(), table[key], path, "occurs twice", "Keep one row an id")
    attributes = {name: _attribute(table[name], path) for name in table if name != key}
    return pd.DataFrame({key: table[key], **attributes})


def _attribute(column: pd.Series, path: Path) -> pd.Series:
    if is_numeric_dtype(column) and not is_bool_dtype(column):
        whole = column.notna().all() and (column % 1 == 0).all()
        return column.astype("int64" if whole else "float64")
    text = column.astype("str").fillna("").str.strip()
    given = text != ""
    if not given.any() or column.name in ("title", "genres"):
        return text
    points = with_points(text)
    is_number = points.str.fullmatch(_NUMBER)
    if is_number[given].all():
        return _attribute(pd.to_numeric(points.where(given)), path)
    if text[given].str.fullmatch(_AMOUNT).mean() > NEARLY_ALL:
        row = int((given & ~is_number).argmax())
        log.warning(
            "%s, column %r: %d of %d values are numbers, but row %d is %r: the column is read as text. Write numbers "
            "alone (1299.5), or nothing, if lists are to be narrowed by them.",
            path, column.name, is_number[given].sum(), given.sum(), row + 1, text.iat[row],
        )  # fmt: skip
    return text


def _movies(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """`table` with `title`, `year` and `genres` in the form that RatingsLog asks for."""
    table = table.copy()
    empty = pd.Series("", index=table.index, dtype="str")
    title, genres = table.get("title", empty), table.get("genres", empty)
    if "year" in table:
        year = table["year"]
        remedy = "A year is a whole number"
        if not is_numeric_dtype(year):
            year = pd.Series(pd.to_numeric(year.where(year != ""), errors="coerce"), name="year")
            refuse(year.isna() & (table["year"] != ""), table["year"], path, "is not a number", remedy)
        refuse(year.notna() & (year % 1 != 0), table["year"], path, "is not whole", remedy)
        year = year.astype("Int64")
    elif title.str.contains(_ENDS_WITH_YEAR).any():
        title, year = split_titles(title)
    else:
        year = pd.Series(pd.NA, index=table.index, dtype="Int64")
    table["title"], table["year"] = title, year
    table["genres"] = genres.mask(genres == "(no genres listed)", "")
    shown = ["movie_id", "title", "year", "genres"]
    return table[shown + [name for name in table if name not in shown]]
