"""Many texts in two arrays: memory-mapped, they cost nothing until one is read."""

from collections.abc import Iterable, Sequence
from typing import overload

import numpy as np

BLOCK = 1 << 16  # texts that are compared together


def lead_through(offsets: np.ndarray, size: int) -> bool:
    """Whether offsets [parts + 1] lead from 0 to ``size`` and never back: each part lies in an array of that size."""
    return bool(len(offsets) and offsets[0] == 0 and offsets[-1] == size and (offsets[1:] >= offsets[:-1]).all())


class Texts(Sequence[str]):
    """Texts as their UTF-8 bytes end to end: ``data`` uint8 [bytes], ``offsets`` int64 [texts + 1].

    Raises ValueError where the offsets do not lie in ``data``.
    """

    def __init__(self, data: np.ndarray, offsets: np.ndarray) -> None:
        if not lead_through(offsets, len(data)):
            raise ValueError(f"the offsets of texts do not span their {len(data)} bytes in order")
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

    def ascend(self) -> bool:
        """Whether each text is smaller than the next: by bytes, which orders UTF-8 as its code points.

        The next byte of all neighbours that are equal so far is compared at a time.
        """
        for start in range(0, len(self) - 1, BLOCK):
            offsets = np.asarray(self.offsets[start : start + BLOCK + 2])
            equal, position = np.arange(len(offsets) - 2), 0
            while len(equal):
                first, second = (self._bytes(offsets[of] + position, offsets[of + 1]) for of in (equal, equal + 1))
                if (first > second).any() or ((first == second) & (first < 0)).any():
                    return False
                equal = equal[first == second]
                position += 1
        return True

    def _bytes(self, places: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """The bytes int16 at places, -1 where the text ends before."""
        there = places < ends
        found = np.full(len(places), -1, np.int16)
        found[there] = self.data[places[there]]
        return found
