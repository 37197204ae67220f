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


def read_ratings(path: Path, names: ColumnNames = USUAL) -> pd.DataFrame:
    """The columns that `typed_blocks` finds, whole: text ids are `str`."""
    parts: dict[str, list[pa.Array]] = {}
    for block in typed_blocks(path, names):
        for name, part in block.items():
            parts.setdefault(name, []).append(part)
    columns = {name: ids.joined(parts.pop(name)) for name in list(parts)}  # frees a column at a time
    return pd.DataFrame(columns, copy=False)


def typed_blocks(path: Path, names: ColumnNames = USUAL) -> Iterator[dict[str, pa.Array]]:
    """`user_id` and `movie_id` (`ids.narrow`), and, where `path` has them, `rating` (float32) and `timestamp` (int64).

    `names` says what these are called in the file. Without ratings also `weight` (float32) and `event` (texts; the
    column may be called `type`), if there are such. Every row of the file, in its order. Raises DataError as
    `tables.read_blocks` does, and for a missing id and a rating, a timestamp, a weight or an event that is none.
    """
    seconds = WholeSeconds(path)
    convert: dict[str, Callable[[pd.Series], pa.Array]] = {
        "user_id": lambda column: ids.narrow(path, column),
        "movie_id": lambda column: ids.narrow(path, column),
        "rating": lambda column: pa.array(_ratings(path, column)),
        "timestamp": lambda column: pa.array(seconds.of(column)),
        "weight": lambda column: pa.array(_weights(path, column)),
        "event": lambda column: _events(path, column),
    }
    id_columns, of_likes = ("user_id", "movie_id"), ("weight", "event", "type")
    optional, texts = ("rating", "timestamp", *of_likes), (*id_columns, "event", "type")
    for block in read_blocks(path, id_columns, optional, categories=texts, names=names):
        if "type" in block and "event" not in block:
            block = block.rename(columns={"type": "event"})
        found = [name for name in convert if name in block and not ("rating" in block and name in of_likes)]
        yield {name: convert[name](block[name]) for name in found}


def _ratings(path: Path, column: pd.Series) -> pd.Series:
    values = numbers(column, path, "Leave the column out if every row is a like; write 1299.5, not 1.299,5")
    with np.errstate(over="ignore"):
        single = values.astype("float32")
    refuse(~np.isfinite(single), column, path, "is not finite", "Give a finite number")
    return single


def _weights(path: Path, column: pd.Series) -> pd.Series:
    remedy = "A weight is a number above 0, as of plays or purchases (1000, not 1,000); leave out rows that say nothing"
    values = numbers(column, path, remedy)
    with np.errstate(over="ignore", under="ignore"):
        single = values.astype("float32")
    refuse(~(np.isfinite(single) & (single > 0)), column, path, "is not above 0 and finite", remedy)
    return single


def _events(path: Path, column: pd.Series) -> pa.Array:
    types = column.astype("str").str.strip()
    refuse(types.isna() | (types == ""), column, path, "is no type of event", "Give every row one, such as purchase")
    return pa.array(types, pa.large_string()).dictionary_encode()
