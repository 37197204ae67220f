"""Table files, as the user wrote them, whole or block by block."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pandas.api.types import is_bool_dtype, is_numeric_dtype
from pyarrow import csv as arrow_csv
from pyarrow import parquet

from training.data.log import DataError
from training.data.naming import ROLES, USUAL, ColumnNames
from training.progress import counted

_SEPARATORS = (",", ";", "\t")
_CSV = "CSV is UTF-8 text with a header line and commas, semicolons or tabs between the columns"
_BLOCK_ROWS = 500_000
_BLOCK_BYTES = 1 << 24  # of CSV text


class _NotPlain(Exception):
    """A CSV file with rows of different lengths, or with another fault: pandas finds out, and says what."""


def read_table(path: Path, required: tuple[str, ...], names: ColumnNames = USUAL) -> pd.DataFrame:
    """The whole table of `path`, as `read_blocks` reads it."""
    return pd.concat(list(read_blocks(path, required, names=names)), ignore_index=True)


def column_names(path: Path, required: tuple[str, ...], names: ColumnNames = USUAL) -> list[str]:
    """What the columns of `path`, a file that `read_blocks` reads, are called in it."""
    return parquet.read_schema(path).names if _is_parquet(path) else _header(path, required, names)[1]


def read_blocks(
    path: Path,
    required: tuple[str, ...],
    optional: tuple[str, ...] | None = None,
    categories: tuple[str, ...] = (),
    names: ColumnNames = USUAL,
) -> Iterator[pd.DataFrame]:
    """The table of `path` (*.csv, *.csv.gz, *.parquet) in blocks: from CSV all `str`, from Parquet as it is stored.

    CSV has commas, semicolons or tabs between the columns: whichever finds the columns of `required`. The columns of
    `required` and `optional` are read, and all where `optional` is None. Texts in columns of `categories` may come as
    categoricals, which differ from block to block.

    Column names lose spaces around them, and `names`, the other word for a movie and MovieLens' names become ours. The
    index is the row in the file, from 0. At least one row.

    Raises DataError for a file that is not there or cannot be read, and for a table that is empty, lacks a column of
    `required` or has a column twice.
    """
    if not path.is_file():
        raise DataError("there is no such file", file=path, remedy="Check the path")
    is_parquet = _is_parquet(path)
    if not is_parquet and not path.name.lower().endswith((".csv", ".csv.gz")):
        raise DataError(
            "is of no known type",
            file=path,
            remedy="Name it *.csv, *.csv.gz or *.parquet; a spreadsheet is saved as CSV (UTF-8)",
        )
    rows, required = 0, (*required, *(name for name in names.roles if name not in required))
    try:
        for block in (_parquet_blocks if is_parquet else _csv_blocks)(path, required, optional, categories, names):
            rows += len(block)
            yield block
    except pd.errors.EmptyDataError:
        raise DataError("the file is empty", file=path, remedy="Give a header line and rows") from None
    except UnicodeDecodeError as error:
        remedy = f"Save it as UTF-8; if it is of Windows: iconv -f cp1252 -t utf-8 {path.name} > new.csv"
        raise DataError("cannot be read as CSV: it is no UTF-8 text", file=path, remedy=remedy) from error
    except (ValueError, Warning, OSError, EOFError, zlib.error, pa.ArrowException) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DataError(
            f"cannot be read as {'Parquet' if is_parquet else 'CSV'}{f' after row {rows}' if rows else ''}: {reason}",
            file=path,
            remedy="If it is CSV, name it *.csv" if is_parquet and not rows else "" if is_parquet else _CSV,
        ) from error
    if not rows:
        raise DataError("has a header and no rows", file=path, remedy="Give at least one row")


def refuse(bad: pd.Series, column: pd.Series, path: Path, problem: str, remedy: str) -> None:
    """Raises DataError for the first row of `column` of which `bad` (bool [n]) is true, if there is one."""
    if bad.any():
        row = int(np.argmax(bad))
        value = str(column.iat[row])
        number = int(column.index[row]) + 1
        raise DataError(problem, file=path, column=str(column.name), row=number, value=value, remedy=remedy)


def numbers(column: pd.Series, path: Path, remedy: str) -> pd.Series:
    """The numbers that `column` holds or writes. Raises DataError for a row that has none."""
    values = written_numbers(column)
    if values is None:
        if not is_numeric_dtype(column) or is_bool_dtype(column):
            column = with_points(column.astype("str").str.strip())
        values = pd.to_numeric(column, errors="coerce")
    refuse(values.isna(), column, path, "is not a number", remedy)
    return values


def with_points(texts: pd.Series) -> pd.Series:
    """Texts in which a decimal comma is a point: "4,5" is "4.5". "1,299" stays as it is: it may mean thousands."""
    return texts.str.replace(r"^(-?\d+),(\d{1,2}|\d{4,})$", r"\1.\2", regex=True)


def written_numbers(column: pd.Series) -> pd.Series | None:
    """The numbers, float64, that a column of texts writes; None for another column, or if a text is no number."""
    if not isinstance(column.dtype, pd.StringDtype):
        return None
    texts = pc.utf8_trim_whitespace(pa.array(column, pa.large_string()))
    try:
        texts[:1].cast(pa.float64())  # for the whole column, a cast that fails takes long
        values = texts.cast(pa.float64())
    except pa.ArrowInvalid:
        return None
    return pd.Series(values.to_numpy(zero_copy_only=False), column.index, name=column.name)


def _is_parquet(path: Path) -> bool:
    return path.name.lower().endswith(".parquet")


def _named(
    path: Path, raw: list[str], required: tuple[str, ...], optional: tuple[str, ...] | None, names: ColumnNames
) -> dict[str, str]:
    """The columns to read, of those that the file has: the name there, and ours."""
    ours = names.ours(raw)
    for name in sorted(set(ours.values())):
        if len(same := [each for each in raw if ours.get(each) == name]) > 1:
            raise DataError(
                f"has the columns {' and '.join(map(repr, same))}, which say the same",
                file=path,
                remedy="Drop or rename one",
            )
    if missing := [names.theirs.get(name, name) for name in required if name not in ours.values()]:
        raise DataError(
            f"has no column {' and no column '.join(map(repr, missing))}",
            file=path,
            remedy=f"Columns found: {[str(each).strip() for each in raw]}; --columns {_example(required)} names others"
            + ("" if _is_parquet(path) else f". {_CSV}"),
        )
    wanted = tuple(ours.values()) if optional is None else required + optional
    return {each: name for each, name in ours.items() if name in wanted}


def _example(required: tuple[str, ...]) -> str:
    return ",".join(f"{role}=..." for role, name in ROLES.items() if name in required)


def _parquet_blocks(
    path: Path,
    required: tuple[str, ...],
    optional: tuple[str, ...] | None,
    categories: tuple[str, ...],
    names: ColumnNames,
) -> Iterator[pd.DataFrame]:
    with parquet.ParquetFile(path) as file:
        columns = _named(path, file.schema_arrow.names, required, optional, names)
        texts = [raw for raw in columns if columns[raw] in categories and _is_text(file.schema_arrow.field(raw).type)]
    rows = 0
    with parquet.ParquetFile(path, read_dictionary=texts) as file:
        groups = file.metadata.num_row_groups
        for group in counted(range(groups), f"reading {path.name}", groups, "row group"):
            try:
                for batch in file.iter_batches(_BLOCK_ROWS, row_groups=[group], columns=list(columns)):
                    # pandas' own metadata may call a column the index; here it is a column as any other.
                    block = pa.Table.from_batches([batch]).to_pandas(ignore_metadata=True)
                    yield _block(block, columns, rows)
                    rows += len(block)
            except (OSError, pa.ArrowException) as error:
                reason = str(error).strip().splitlines()[0]
                raise DataError(
                    f"row group {group + 1} of {groups} cannot be read: {reason}",
                    file=path,
                    row=rows + 1,
                    remedy="The file is damaged: copy or make it again",
                ) from error


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _block(block: pd.DataFrame, columns: dict[str, str], first: int) -> pd.DataFrame:
    """The columns of a block under our names; its index starts at `first`."""
    return block[list(columns)].rename(columns=columns).set_axis(pd.RangeIndex(first, first + len(block)))


def _csv_blocks(
    path: Path,
    required: tuple[str, ...],
    optional: tuple[str, ...] | None,
    categories: tuple[str, ...],
    names: ColumnNames,
) -> Iterator[pd.DataFrame]:
    separator, header = _header(path, required, names)
    columns = _named(path, header, required, optional, names)
    rows = 0
    try:
        for block in _arrow_blocks(path, separator, columns, categories):
            yield _block(block, columns, rows)
            rows += len(block)
    except _NotPlain:
        pass
    else:
        return
    start = 0
    for block in _pandas_blocks(path, separator):
        new = block.iloc[max(rows - start, 0) :]  # the others are read already
        if len(new):
            yield _block(new, columns, max(rows, start))
        start += len(block)


# pandas would guess a type a column ("007" is 7, "NA" is missing); the rules of the columns decide instead.
_AS_TEXT = {"dtype": str, "keep_default_na": False, "encoding": "utf-8-sig", "index_col": False}


def _header(path: Path, required: tuple[str, ...], names: ColumnNames) -> tuple[str, list[str]]:
    """The separator that finds the columns of `required`, else the one that finds most; and the names in the header."""
    headers = {separator: list(pd.read_csv(path, sep=separator, nrows=0, **_AS_TEXT)) for separator in _SEPARATORS}
    for separator, header in headers.items():
        if set(required) <= set(names.ours(header).values()):
            return separator, header
    return max(headers.items(), key=lambda found: len(found[1]))


def _arrow_blocks(
    path: Path, separator: str, columns: dict[str, str], categories: tuple[str, ...]
) -> Iterator[pd.DataFrame]:
    """Blocks of the columns, all `str` or categories. Raises _NotPlain where Arrow does not understand the file."""
    types = {
        raw: pa.dictionary(pa.int32(), pa.string()) if name in categories else pa.large_string()
        for raw, name in columns.items()
    }
    try:
        reader = arrow_csv.open_csv(
            path,
            arrow_csv.ReadOptions(block_size=_BLOCK_BYTES),
            arrow_csv.ParseOptions(delimiter=separator, newlines_in_values=True),
            arrow_csv.ConvertOptions(include_columns=list(columns), column_types=types),
        )
        with reader:
            for batch in reader:
                yield pa.Table.from_batches([batch]).to_pandas()
    except (pa.ArrowException, OSError, KeyError) as error:
        raise _NotPlain from error


def _pandas_blocks(path: Path, separator: str) -> Iterator[pd.DataFrame]:
    """Blocks of all columns, all `str`; a row that is too short ends in empty texts. Slower than Arrow."""

    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        with pd.read_csv(path, sep=separator, chunksize=_BLOCK_ROWS, **_AS_TEXT) as blocks:
            for block in blocks:
                yield block.fillna("")
