"""What is known of the movies, by columns: answers show a row of them, and conditions on them narrow lists.

The arrays of a column [rows] are memory-mapped in an archive. Row 0, the unknown movie, has no values, and a movie
without a value in a column meets no condition on it.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import msgspec
import numpy as np

from .texts import lead_through
from .vocabulary import Vocabulary

Kind = Literal["number", "boolean", "category", "tags"]


class Attribute(msgspec.Struct, frozen=True):
    """A column that answers show: its name in the file of items, and what its values are."""

    name: str
    kind: Kind


class Range(NamedTuple):
    """A condition on numbers: from ``low`` to ``high``, both included."""

    low: float
    high: float


class AnyOf(NamedTuple):
    """A condition: one of these values, in ascending order, each once; nothing meets it where there are none."""

    values: tuple[Any, ...]


Condition = Range | AnyOf
Where = tuple[tuple[str, Condition], ...]  # all of these conditions, by the names of columns in ascending order


class Column(Protocol):
    """One attribute of all movies."""

    kind: Kind

    def __len__(self) -> int:
        """The number of rows."""

    def __contains__(self, value: Any) -> bool:
        """Whether a movie may have a value, of the column's type."""

    def value(self, row: int) -> Any:
        """What a row has, as JSON says it; None where that is nothing."""

    def matches(self, condition: Condition) -> np.ndarray:
        """Which rows meet a condition of the column's type: a mask bool [rows]."""


class Numbers:
    """Numbers: int32 or int64, whose lowest value stands for a missing one, or float64, where that is NaN."""

    kind: Kind = "number"

    def __init__(self, values: np.ndarray) -> None:
        self._values = values
        self._is_whole = values.dtype.kind == "i"

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, value: float) -> bool:
        return True

    def value(self, row: int) -> int | float | None:
        """A row's number."""
        value = self._values.item(row)
        return None if value == missing(self._values.dtype) or value != value else value

    def matches(self, condition: Condition) -> np.ndarray:
        """Which rows have one of some numbers, or one of a range."""
        if isinstance(condition, AnyOf):
            return self._among(condition.values)
        low, high = condition
        if self._is_whole:  # bounds of the same type, because a float64 is not each int64
            limits = np.iinfo(self._values.dtype)
            low = math.ceil(low) if low > limits.min else limits.min + 1
            high = math.floor(high) if high < limits.max else limits.max
            if low > high:
                return np.zeros(len(self._values), bool)
        return (self._values >= low) & (self._values <= high)

    def _among(self, numbers: Sequence[float]) -> np.ndarray:
        if self._is_whole:
            limits = np.iinfo(self._values.dtype)
            numbers = [int(number) for number in numbers if number % 1 == 0 and limits.min < number <= limits.max]
        if not numbers:
            return np.zeros(len(self._values), bool)
        wanted = np.array(numbers, self._values.dtype)  # in ascending order
        return wanted.take(wanted.searchsorted(self._values), mode="clip") == self._values


def missing(dtype: np.dtype) -> float:
    """What stands for a missing number."""
    return np.iinfo(dtype).min if dtype.kind == "i" else math.nan


class Flags:
    """Yes and no: int8, 1 and 0, and -1 where it is not known."""

    kind: Kind = "boolean"

    def __init__(self, values: np.ndarray) -> None:
        self._values = values

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, value: bool) -> bool:
        return True

    def value(self, row: int) -> bool | None:
        """Yes or no."""
        value = self._values.item(row)
        return None if value < 0 else bool(value)

    def matches(self, condition: AnyOf) -> np.ndarray:
        """Which rows say yes, no, or either."""
        if len(condition.values) == 2:
            return self._values >= 0
        return self._values == int(condition.values[0])


class Categories:
    """One text of a few: ``codes`` int32, rows of ``texts``, 0 for none. Raises ValueError for a code of no row."""

    kind: Kind = "category"

    def __init__(self, codes: np.ndarray, texts: Vocabulary) -> None:
        if len(codes) and not (codes.min() >= 0 and codes.max() < len(texts)):
            raise ValueError(f"its codes are not those of {len(texts) - 1} texts")
        self._codes, self._texts = codes, texts

    def __len__(self) -> int:
        return len(self._codes)

    def __contains__(self, value: str) -> bool:
        return self._texts.row(value) > 0

    def value(self, row: int) -> str | None:
        """A row's text."""
        return self._texts.ids[self._codes.item(row)]

    def matches(self, condition: AnyOf) -> np.ndarray:
        """Which rows have one of some texts."""
        wanted = np.zeros(len(self._texts), bool)
        wanted[self._texts.to_rows(condition.values)] = True
        wanted[0] = False
        return wanted.take(self._codes)  # in half of the time of an index


class Tags:
    """Several texts of a few. Raises ValueError where the arrays do not fit each other.

    ``codes`` int32: positions among ``texts``; those of row i are ``[offsets[i]:offsets[i + 1]]``, int64 [rows + 1].
    ``rows`` int32 and ``row_offsets`` int64 [texts + 1]: the same pairs by text, each text's rows in ascending order.
    """

    kind: Kind = "tags"

    def __init__(
        self, texts: Vocabulary, codes: np.ndarray, offsets: np.ndarray, rows: np.ndarray, row_offsets: np.ndarray
    ) -> None:
        if len(row_offsets) != len(texts):
            raise ValueError(f"tags have rows for {len(row_offsets) - 1} texts, expected {len(texts) - 1}")
        if not (lead_through(offsets, len(codes)) and lead_through(row_offsets, len(rows))):
            raise ValueError("the offsets of tags do not lead through them in order")
        self._texts, self._codes, self._offsets, self._rows, self._row_offsets = (
            texts, codes, offsets, rows, row_offsets,
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def __contains__(self, value: str) -> bool:
        return self._texts.row(value) > 0

    def value(self, row: int) -> list[str]:
        """All texts of a row."""
        codes = self._codes[self._offsets[row] : self._offsets[row + 1]].tolist()
        return [self._texts.ids[1 + code] for code in codes]

    def of(self, text: str) -> np.ndarray:
        """The rows int32 that have a text."""
        place = self._texts.row(text) - 1
        return self._rows[:0] if place < 0 else self._rows[self._row_offsets[place] : self._row_offsets[place + 1]]

    def matches(self, condition: AnyOf) -> np.ndarray:
        """Which rows have any of some texts."""
        found = np.zeros(len(self), bool)
        for text in condition.values:
            found[self.of(text)] = True
        return found


def meeting(where: Where, columns: Mapping[str, Column]) -> np.ndarray:
    """Which rows meet all conditions: a mask bool [rows]."""
    first, *others = (columns[name].matches(condition) for name, condition in where)
    for mask in others:
        first &= mask
    return first
