"""The columns of a ratings file, checked and typed block by block: no more of the file is in memory as text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from training.data import ids
from training.data.tables import numbers, read_blocks, refuse
from training.data.times import WholeSeconds


def read_ratings(path: Path) -> pd.DataFrame:
    """`user_id` and `movie_id` (`ids.narrow`), and, where `path` has them, `rating` (float32) and `timestamp` (int64).

    Every row of the file, in its order. Raises DataError as `tables.read_blocks` does, and for a missing id and a
    rating or a timestamp that is none.
    """
    seconds = WholeSeconds(path)
    convert: dict[str, Callable[[pd.Series], pa.Array]] = {
        "user_id": lambda column: ids.narrow(path, column),
        "movie_id": lambda column: ids.narrow(path, column),
        "rating": lambda column: pa.array(_ratings(path, column)),
        "timestamp": lambda column: pa.array(seconds.of(column)),
    }
    parts: dict[str, list[pa.Array]] = {}
    for block in read_blocks(path, ("user_id", "movie_id"), ("rating", "timestamp")):
        for name, of_column in convert.items():
            if name in block:
                parts.setdefault(name, []).append(of_column(block[name]))
    columns = {name: ids.joined(parts.pop(name)) for name in convert if name in parts}  # frees a column at a time
    return pd.DataFrame(columns, copy=False)


def _ratings(path: Path, column: pd.Series) -> pd.Series:
    values = numbers(column, path, "Leave the column out if every row is a like; write 4.5, not 4,5")
    with np.errstate(over="ignore"):
        single = values.astype("float32")
    refuse(~np.isfinite(single), column, path, "is not finite", "Give a finite number")
    return single
