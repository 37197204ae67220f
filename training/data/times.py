"""When a rating was given, as files say it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api.types import is_datetime64_any_dtype

from training.data.tables import numbers, refuse

# Seconds of the year 5138: a larger number is in milliseconds or finer.
_LATEST_SECOND = 10**11

_DATE = r"\d{4}-\d\d-\d\d(?:[T ].*)?"
_REMEDY = "Timestamps are whole seconds since 1970, or dates such as 2024-01-31 or 2024-01-31T12:30:00Z"


def whole_seconds(column: pd.Series, path: Path) -> pd.Series:
    """The seconds since 1970 of a column [n] of `path`: int64 [n].

    It holds whole seconds since 1970, ISO 8601 dates (with or without a time), or Parquet's own dates and timestamps. A
    time without an offset is UTC; parts of a second are cut off. Raises DataError for a row that is neither, or is not
    what the others are.
    """
    if is_datetime64_any_dtype(column):
        moments = column
    else:
        text = column.astype("str").str.strip()
        is_date = text.str.fullmatch(_DATE)
        if not is_date.any():
            return _of_numbers(column, path)
        refuse(~is_date, column, path, "is no date, and others are", _REMEDY)
        moments = pd.to_datetime(text, format="ISO8601", utc=True, errors="coerce")
    refuse(moments.isna(), column, path, "is no date", _REMEDY)
    if moments.dt.tz is not None:
        moments = moments.dt.tz_convert("UTC").dt.tz_localize(None)
    return moments.dt.floor("s").astype("datetime64[s]").astype("int64")


def _of_numbers(column: pd.Series, path: Path) -> pd.Series:
    seconds = numbers(column, path, _REMEDY)
    refuse(~np.isfinite(seconds) | (seconds % 1 != 0), column, path, "is not whole", _REMEDY)
    refuse(seconds.abs() > _LATEST_SECOND, column, path, "is later than the year 5000", f"{_REMEDY}, not milliseconds")
    return seconds.astype("int64")
