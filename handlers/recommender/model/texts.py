"""Many texts in two arrays: memory-mapped, they cost nothing until one is read."""

from collections.abc import Iterable, Sequence
from typing import overload

import numpy as np


class Texts(Sequence[str]):
    """Texts as their UTF-8 bytes end to end: ``data`` uint8 [bytes], ``offsets`` int64 [texts + 1].

    Raises ValueError where the offsets do not lie in ``data``.
    """

    def __init__(self, data: np.ndarray, offsets: np.ndarray) -> None:
        if len(offsets) == 0 or offsets[0] != 0 or offsets[-1] != len(data):
            raise ValueError(f"the offsets of texts do not span their {len(data)} bytes")
        self.data = data
        self.offsets = offsets
        # One element of a memoryview is a Python number, in a third of the time of an array's.
        self._data, self._offsets = memoryview(data), memoryview(offsets)

    @classmethod
    def of(cls, texts: Iterable[str]) -> "Texts":
        """The texts in order."""
        encoded = [text.encode() for text in texts]
        lengths = np.fromiter(map(len, encoded), np.int64, len(encoded))
        return cls(np.frombuffer(b"".join(encoded), np.uint8), np.concatenate([[0], np.cumsum(lengths)]))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @overload
    def __getitem__(self, place: int) -> str: ...

    @overload
    def __getitem__(self, place: slice) -> list[str]: ...

    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        place = range(len(self))[place]
        return str(self._data[self._offsets[place] : self._offsets[place + 1]], "utf-8")
