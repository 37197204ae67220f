"""The columns of a ratings file, checked and typed block by block: no more of the file is in memory as text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from training.data import ids
from training.data.naming import USUAL, ColumnNames
from training.data.tables import numbers, read_blocks, refuse
from training.data.times import WholeSeconds

_RATING = "Leave the column out if every row is a like; write 4.5, not 4,5"


def read_ratings(path: Path, names: ColumnNames = USUAL) -> pd.DataFrame:
    """The columns that `typed_blocks` finds, whole: text ids are `str`."""
    parts: dict[str, list[pa.Array]] = {}
    for block in typed_blocks(path, names):
        for name, part in block.items():
            parts.setdefault(name, []).append(part)
    columns = {name: ids.joined(parts.pop(name)) for name in list(parts)}  # frees a column at a time
    return pd.DataFrame(columns, copy=False)


def typed_blocks(path: Path, names: ColumnNames = USUAL) -> Iterator[dict[str, pa.Array]]:
    """`user_id` and `movie_id` (`ids.narrow`), and, where `path` has them, `rating`, `weight` and `timestamp`.

    These are float32, float32 and int64; `names` says what they are called in the file. Every row of it, in its
    order. Raises DataError as `tables.read_blocks` does, and for a missing id and a rating, a weight or a timestamp
    that is none.
    """
    seconds = WholeSeconds(path)
    convert: dict[str, Callable[[pd.Series], pa.Array]] = {
        "user_id": lambda column: ids.narrow(path, column),
        "movie_id": lambda column: ids.narrow(path, column),
        "rating": lambda column: pa.array(_finite(path, column, _RATING)),
        "weight": lambda column: pa.array(_finite(path, column, "Leave the column out if all rows weigh the same")),
        "timestamp": lambda column: pa.array(seconds.of(column)),
    }
    id_columns = ("user_id", "movie_id")
    optional = ("rating", "timestamp", "weight")
    for block in read_blocks(path, id_columns, optional, categories=id_columns, names=names):
        yield {name: of_column(block[name]) for name, of_column in convert.items() if name in block}


def _finite(path: Path, column: pd.Series, remedy: str) -> pd.Series:
    values = numbers(column, path, remedy)
    with np.errstate(over="ignore"):
        single = values.astype("float32")
    refuse(~np.isfinite(single), column, path, "is not finite", "Give a finite number")
    return single
