"""Maps raw ids to rows, and rows to raw ids, by arrays that are memory-mapped in an archive."""

import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Protocol, overload

import numpy as np

from .text_index import TextIndex
from .texts import Texts

RawId = int | str

_DECIMAL = re.compile(r"-?[1-9][0-9]{0,18}|0")
FEW = 8  # ids that are found one by one: so many take as long as the overhead of arrays
_INT64 = range(-(1 << 63), 1 << 63)


class _Index(Protocol):
    """The ids without the unknown one: each has the place ``row - 1``."""

    integers: bool
    arrays: Mapping[str, np.ndarray]

    def __len__(self) -> int: ...

    def id(self, place: int) -> RawId:
        """The id at a place."""

    def row(self, raw: RawId) -> int:
        """The row of one id, without the overhead of an array."""

    def rows(self, raw: Sequence[RawId]) -> np.ndarray:
        """Rows int64; 0 for those that are not there, and for those of another type."""


class _Integers:
    """Integers in ascending order, found by bisection: one alone in 0.5 µs, those of a batch in 0.2 µs each."""

    integers = True

    def __init__(self, values: np.ndarray) -> None:
        _check_order(bool((values[1:] > values[:-1]).all()))
        self.values = values
        self._values = memoryview(values)  # its elements are numbers of Python
        self.arrays = {"ids": values}

    def __len__(self) -> int:
        return len(self.values)

    def id(self, place: int) -> int:
        return self.values.item(place)

    def row(self, raw: RawId) -> int:
        if not isinstance(raw, int):
            return 0
        place = bisect_left(self._values, raw)
        return place + 1 if place < len(self._values) and self._values[place] == raw else 0

    def rows(self, raw: Sequence[RawId]) -> np.ndarray:
        if len(raw) <= FEW:
            return np.array([self.row(one) for one in raw], np.int64)
        # Types come first: an array of texts has room for the longest of them in each of its elements.
        if set(map(type, raw)) == {int}:
            with suppress(OverflowError):
                return self._rows(np.array(raw, np.int64))
        present = [isinstance(one, int) and one in _INT64 for one in raw]
        wanted = np.array([one if there else 0 for one, there in zip(raw, present, strict=True)], np.int64)
        return self._rows(wanted) * np.array(present, np.int64)

    def _rows(self, wanted: np.ndarray) -> np.ndarray:
        if not len(self.values):
            return np.zeros(len(wanted), np.int64)
        places = self.values.searchsorted(wanted)
        found = self.values.take(places, mode="clip") == wanted
        places += 1
        places *= found
        return places


class _Strings:
    """Strings in ascending order, found by a hash table in 1 µs each."""

    integers = False

    def __init__(self, index: TextIndex) -> None:
        self.index = index
        texts = index.texts
        self.arrays = {
            "ids": texts.data,
            "id_offsets": texts.offsets,
            "id_buckets": index.buckets,
            "id_places": index.places,
        }

    def __len__(self) -> int:
        return len(self.index.texts)

    def id(self, place: int) -> str:
        return self.index.texts[place]

    def row(self, raw: RawId) -> int:
        return 1 + self.index.find(raw) if isinstance(raw, str) else 0

    def rows(self, raw: Sequence[RawId]) -> np.ndarray:
        return np.array(list(map(self.row, raw)), np.int64)


class _IdsByRow(Sequence[RawId | None]):
    """The ids by row, made when they are read; None for row 0, the unknown id."""

    def __init__(self, index: _Index) -> None:
        self._index = index

    def __len__(self) -> int:
        return 1 + len(self._index)

    @overload
    def __getitem__(self, row: int) -> RawId | None: ...

    @overload
    def __getitem__(self, row: slice) -> list[RawId | None]: ...

    def __getitem__(self, row: int | slice) -> RawId | list[RawId | None] | None:
        if isinstance(row, slice):
            return [self[one] for one in range(*row.indices(len(self)))]
        place = range(len(self))[row] - 1
        return None if place < 0 else self._index.id(place)


class Vocabulary:
    """The ids of one side in row order; row 0 is the unknown id and has none.

    ``ids``: all integers or all strings, without repetition, in ascending order, so that rows order as ids do: int64
    [n], ``Texts``, or a short sequence. Raises ValueError for other ids.
    """

    def __init__(self, ids: np.ndarray | Texts | Sequence[RawId]) -> None:
        self._set(_index_of(ids))

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "Vocabulary":
        """The vocabulary whose ``arrays`` these are. Raises ValueError where they do not fit each other."""
        vocabulary = cls.__new__(cls)
        ids = arrays["ids"]
        if ids.dtype == np.int64:
            vocabulary._set(_Integers(ids))
        else:
            index = TextIndex(Texts(ids, arrays["id_offsets"]), arrays["id_buckets"], arrays["id_places"])
            vocabulary._set(_Strings(index))
        return vocabulary

    def _set(self, index: _Index) -> None:
        self._index = index
        self._rows = index.rows
        self.integers = index.integers
        self.ids: Sequence[RawId | None] = _IdsByRow(index)

    @property
    def arrays(self) -> Mapping[str, np.ndarray]:
        """What an archive keeps: ``ids`` int64, or ``ids`` uint8 with the offsets and the hash table of strings."""
        return self._index.arrays

    def __len__(self) -> int:
        """The number of rows, the unknown one included."""
        return len(self.ids)

    def canonical(self, raw: RawId) -> RawId:
        """The id in the archive's own type: "196" is 196 where ids are integers, 7 is "7" where they are strings."""
        if self.integers:
            return int(raw) if isinstance(raw, str) and _DECIMAL.fullmatch(raw) else raw
        return raw if isinstance(raw, str) else str(raw)

    def look_up(self, raw: Sequence[RawId]) -> tuple[Sequence[RawId], np.ndarray]:
        """Ids in the archive's own type, and their rows int64, 0 for those that are not known."""
        rows = self._rows(raw)
        if not rows.all():  # an id of another type is in no row
            raw = [self.canonical(raw_id) for raw_id in raw]
            rows = self._rows(raw)
        return raw, rows

    def to_rows(self, raw: Sequence[RawId]) -> list[int]:
        """The rows of many ids, 0 for those that are not known."""
        return self.look_up(raw)[1].tolist()

    def row(self, raw: RawId) -> int:
        """The row of an id, 0 for one that is not known."""
        return self._index.row(raw) or self._index.row(self.canonical(raw))


def _index_of(ids: np.ndarray | Texts | Sequence[RawId]) -> _Index:
    if isinstance(ids, np.ndarray):
        return _Integers(np.ascontiguousarray(ids, np.int64))
    if isinstance(ids, Texts):
        return _Strings(TextIndex.of(ids))
    kinds = {isinstance(raw, int) for raw in ids}
    if len(kinds) > 1:
        raise ValueError("ids of mixed types: make them all integers or all strings")
    if kinds == {False}:
        _check_order(all(ids[place] < ids[place + 1] for place in range(len(ids) - 1)))
        return _Strings(TextIndex.of(Texts.of(ids)))
    return _Integers(np.array(ids, np.int64))


def _check_order(ascending: bool) -> None:
    if not ascending:
        raise ValueError("ids are not in ascending order, or one of them occurs more than once: sort them, each once")
