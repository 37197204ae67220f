"""Large ratings files as typed columns that are mapped into memory: made once, and found again by the file's bytes."""

from __future__ import annotations

import hashlib
import json
import shutil
from contextlib import ExitStack, suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from archives.store import locked
from training.data.columns import IdColumn, NumberColumn
from training.data.log import DataError
from training.data.naming import USUAL, ColumnNames
from training.data.ratings import read_ratings, typed_blocks
from training.progress import stage

FOLDER = Path("data/prepared")
VERSION = 2  # of what is written: columns of another version are made again
LARGE = 1 << 24  # bytes of a file; a smaller one is read in less time than its columns are written
_SUMMARY = "columns.json"
_TEXTS = ("user_id", "movie_id", "event")  # columns that may hold texts


def columns_of(path: Path, folder: Path = FOLDER, names: ColumnNames = USUAL) -> pd.DataFrame:
    """The columns of `ratings.typed_blocks`, every row of `path` in its order; `names` says what they are called there.

    Those of a large file are mapped from `folder`/<digest>/, read-only; text ids are categoricals there. They are made
    there where they are not, and moved into place when they are whole; columns of what `path` held before are removed
    then. The digest is of the file's bytes, `names` and `VERSION`.

    Raises DataError as `typed_blocks` does, and where `path` cannot be read or `folder` cannot be written.
    """
    if not path.is_file() or path.stat().st_size < LARGE:
        return read_ratings(path, names)
    place = folder / _digest(path, names)
    found = _mapped(place)
    if found is not None:
        return found
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder, wait=True):  # processes that want the same columns at once make them once
            found = _mapped(place)
            if found is None:
                _prepare(path, place, names)
                found = _mapped(place)
    except OSError as error:
        size = round(path.stat().st_size / 1e9 + 0.5)
        raise DataError(
            f"its columns cannot be written to {place} ({error.strerror or error})",
            file=path,
            remedy=f"Give {folder} room (32 bytes a rating; for this file some {size} GB) and the right to write",
        ) from error
    if found is None:
        raise DataError(f"its columns in {place} cannot be read", file=path, remedy=f"Remove {place} and try again")
    return found


def _digest(path: Path, names: ColumnNames) -> str:
    try:
        with stage(f"hashing {path.name}"), path.open("rb") as file:
            contents = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(
            f"cannot be read ({error.strerror or error})", file=path, remedy="Check its permissions and its disk"
        ) from error
    return hashlib.sha256(f"{VERSION} {sorted(names.given)} {contents}".encode()).hexdigest()[:32]


def _prepare(path: Path, place: Path, names: ColumnNames) -> None:
    """Write the columns of `path` to `place`, which appears when it is whole. Raises OSError and DataError."""
    for left in place.parent.glob(".new-*"):  # by a process that was killed, as we hold the lock
        shutil.rmtree(left)
    staged = place.parent / f".new-{place.name}"
    staged.mkdir()
    try:
        summary = json.dumps(_write(path, staged, names), indent=2)
        (staged / _SUMMARY).write_text(summary + "\n")
        shutil.rmtree(place, ignore_errors=True)
        staged.rename(place)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    for other in place.parent.glob("[0-9a-f]*"):  # who has mapped its files keeps them until it ends
        if other != place and _source(other) == str(path.resolve()):
            shutil.rmtree(other, ignore_errors=True)


def _source(place: Path) -> str | None:
    """The file that the columns in `place` were made from, as an absolute path; None where that is not known."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        return json.loads((place / _SUMMARY).read_text())["source"]
    return None


def _write(path: Path, folder: Path, names: ColumnNames) -> dict[str, object]:
    """Write the columns of `path` to files in `folder`; gives what `_mapped` needs to know of them."""
    columns: dict[str, IdColumn | NumberColumn] = {}
    rows = 0
    with ExitStack() as files:
        for block in typed_blocks(path, names):
            for name, part in block.items():
                if name not in columns:
                    columns[name] = (IdColumn if name in _TEXTS else NumberColumn)(folder / name)
                    files.callback(columns[name].close)
                columns[name].write(part)
            rows += len(part)
        kinds = {name: column.finish() for name, column in columns.items()}
    return {"source": str(path.resolve()), "rows": rows, "columns": kinds}


def _mapped(place: Path) -> pd.DataFrame | None:
    """The columns in `place`; None where there are none, or not all of them in their size."""
    with suppress(OSError, ValueError, KeyError, pa.ArrowException):
        summary = json.loads((place / _SUMMARY).read_text())
        return pd.DataFrame(
            {name: _column(place / name, kind, summary["rows"]) for name, kind in summary["columns"].items()},
            copy=False,
        )
    return None


def _column(path: Path, kind: str, rows: int) -> pd.Series:
    """The column at `path` [rows]. Raises OSError, ValueError or ArrowException where it is not there or not whole."""
    dtype = np.dtype(np.int32 if kind == "text" else kind)
    if path.stat().st_size != rows * dtype.itemsize:
        raise ValueError(f"{path} is not of {rows} rows")
    values = np.asarray(np.memmap(path, dtype, "r"))
    if kind != "text":
        return pd.Series(values, copy=False)
    unique = parquet.read_table(path.with_suffix(".ids")).column(0)
    return pd.Series(pd.Categorical.from_codes(values, pd.Index(pd.array(unique, dtype="str")), validate=False))
