"""When a rating was given, as files say it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_datetime64_any_dtype, is_numeric_dtype

from training.data.tables import numbers, refuse, written_numbers

# Seconds of the year 5138: a larger number is in milliseconds or finer.
_LATEST_SECOND = 10**11

_DATE = r"\d{4}-\d\d-\d\d(?:[T ].*)?"
_DAY_FIRST = r"\d{1,2}\.\d{1,2}\.\d{4}\b"
_REMEDY = "Timestamps are whole seconds since 1970, or dates such as 2024-01-31, 2024-01-31T12:30:00Z or 31.01.2024"


class WholeSeconds:
    """The seconds since 1970 of a column of `path`, read block by block.

    It holds whole seconds since 1970, ISO 8601 dates (with or without a time), the same with the day first and points
    between, or Parquet's own dates and timestamps. A time without an offset is UTC; parts of a second are cut off.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.dates: bool | None = None  # what the first block holds, and so all others must

    def of(self, column: pd.Series) -> pd.Series:
        """The seconds of a block [n]: int64 [n].

        Raises DataError for a row that is neither a time nor a number, or is not what the rows before it are.
        """
        if is_datetime64_any_dtype(column):
            return self._of_moments(column, column)
        if is_numeric_dtype(column) and not is_bool_dtype(column):
            return self._of_numbers(column, column)
        values = written_numbers(column)
        if values is not None and not self.dates:
            self.dates = False
            return self._of_numbers(values, column)
        text = _year_first(column.astype("str").str.strip())
        is_date = text.str.fullmatch(_DATE)
        if self.dates is None:
            self.dates = bool(is_date.any())
        if not self.dates:
            refuse(is_date, column, self.path, "is a date, and others are not", _REMEDY)
            return self._of_numbers(column, column)
        refuse(~is_date, column, self.path, "is no date, and others are", _REMEDY)
        return self._of_moments(pd.to_datetime(text, format="ISO8601", utc=True, errors="coerce"), column)

    def _of_moments(self, moments: pd.Series, column: pd.Series) -> pd.Series:
        refuse(moments.isna(), column, self.path, "is no date", _REMEDY)
        if moments.dt.tz is not None:
            moments = moments.dt.tz_convert("UTC").dt.tz_localize(None)
        return moments.dt.floor("s").astype("datetime64[s]").astype("int64")

    def _of_numbers(self, values: pd.Series, column: pd.Series) -> pd.Series:
        seconds = numbers(values, self.path, _REMEDY)
        if seconds.dtype.kind == "f":
            refuse(~np.isfinite(seconds) | (seconds % 1 != 0), column, self.path, "is not whole", _REMEDY)
        late = seconds.abs() > _LATEST_SECOND
        refuse(late, column, self.path, "is later than the year 5000", f"{_REMEDY}, not milliseconds")
        return seconds.astype("int64")


def _year_first(text: pd.Series) -> pd.Series:
    """Texts in which "31.1.2024 12:30" is "2024-01-31 12:30", if the first one is such a date."""
    if not text.dropna().head(1).str.match(_DAY_FIRST).any():
        return text
    for pattern, written in (
        (r"^(\d)\.", r"0\1."),
        (r"^(\d\d)\.(\d)\.", r"\1.0\2."),
        (r"^(\d\d)\.(\d\d)\.(\d{4})\b", r"\3-\2-\1"),
    ):
        text = text.str.replace(pattern, written, regex=True)
    return text
