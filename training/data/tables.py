"""One table file, as the user wrote it."""

from __future__ import annotations

import warnings
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from training.data.log import DataError

_ALIASES = {"userId": "user_id", "movieId": "movie_id"}
_SEPARATORS = (",", ";", "\t")
_CSV = "CSV is UTF-8 text with a header line and commas, semicolons or tabs between the columns"


def read_table(path: Path, required: tuple[str, ...]) -> pd.DataFrame:
    """The table of `path` (*.csv, *.csv.gz, *.parquet): from CSV all `str`, from Parquet as it is stored.

    CSV has commas, semicolons or tabs between the columns: whichever finds the columns of `required`.

    Column names lose spaces around them and MovieLens' names become ours. At least one row, and a RangeIndex.

    Raises DataError for a file that is not there or cannot be read, and for a table that is empty, lacks a
    column of `required` or has a column twice.
    """
    if not path.is_file():
        raise DataError("there is no such file", file=path, remedy="Check the path")
    is_parquet = path.name.lower().endswith(".parquet")
    if not is_parquet and not path.name.lower().endswith((".csv", ".csv.gz")):
        raise DataError("is of no known type", file=path, remedy="Name it *.csv, *.csv.gz or *.parquet")
    try:
        table = pd.read_parquet(path) if is_parquet else _read_csv(path, required)
    except pd.errors.EmptyDataError:
        raise DataError("the file is empty", file=path, remedy="Give a header line and rows") from None
    except (ValueError, Warning, OSError, EOFError, zlib.error, pa.ArrowException) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DataError(
            f"cannot be read as {'Parquet' if is_parquet else 'CSV'}: {reason}",
            file=path,
            remedy="If it is CSV, name it *.csv" if is_parquet else _CSV,
        ) from error
    table.columns = _names(table)
    if repeated := sorted(set(table.columns[table.columns.duplicated()])):
        raise DataError(f"has the columns {repeated} twice", file=path, remedy="Drop or rename one")
    if missing := [name for name in required if name not in table]:
        raise DataError(
            f"has no column {' and no column '.join(map(repr, missing))}",
            file=path,
            remedy=f"Columns found: {list(table)}" + ("" if is_parquet else f". {_CSV}"),
        )
    if table.empty:
        raise DataError("has a header and no rows", file=path, remedy="Give at least one row")
    return table.reset_index(drop=True)


def refuse(bad: pd.Series, column: pd.Series, path: Path, problem: str, remedy: str) -> None:
    """Raises DataError for the first row of `column` of which `bad` (bool [n]) is true, if there is one."""
    if bad.any():
        row = int(np.argmax(bad))
        value = str(column.iat[row])
        raise DataError(problem, file=path, column=str(column.name), row=row + 1, value=value, remedy=remedy)


def numbers(column: pd.Series, path: Path, remedy: str) -> pd.Series:
    """The numbers that `column` holds or writes. Raises DataError for a row that has none."""
    if not is_numeric_dtype(column) or is_bool_dtype(column):
        column = column.astype("str").str.strip()
    values = pd.to_numeric(column, errors="coerce")
    refuse(values.isna(), column, path, "is not a number", remedy)
    return values


def _names(table: pd.DataFrame) -> list[str]:
    return [_ALIASES.get(str(name).strip(), str(name).strip()) for name in table.columns]


def _read_csv(path: Path, required: tuple[str, ...]) -> pd.DataFrame:
    # pandas would guess a type a column ("007" is 7, "NA" is missing); the rules of this module decide
    # instead.
    options = {"dtype": str, "keep_default_na": False, "encoding": "utf-8-sig", "index_col": False}
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        # No guess either: the separator is the one that finds the required names in the header.
        for separator in _SEPARATORS:
            if set(required) <= set(_names(pd.read_csv(path, sep=separator, nrows=0, **options))):
                return pd.read_csv(path, sep=separator, **options).fillna("")
        return pd.read_csv(path, nrows=0, **options)
