"""Finds a text among many by its checksum, in arrays that are memory-mapped."""

import zlib

import numpy as np

from .texts import Texts

BLOCK = 1 << 16  # texts whose checksums are computed together: their state stays in cache


class TextIndex:
    """A hash table of ``texts``: those whose CRC-32 ends in the same bits lie in one bucket.

    ``buckets`` int32 [buckets + 1], their number a power of two: the places of bucket b are
    ``places[buckets[b]:buckets[b + 1]]``. ``places`` int32 [texts]. Raises ValueError where they do not fit each other.
    """

    def __init__(self, texts: Texts, buckets: np.ndarray, places: np.ndarray) -> None:
        count = len(buckets) - 1
        if count < 1 or count & (count - 1) or buckets[-1] != len(places) or len(places) != len(texts):
            raise ValueError(f"{count} buckets and {len(places)} places are no index of {len(texts)} texts")
        self.texts = texts
        self.buckets = buckets
        self.places = places
        self._buckets, self._places, self._mask = memoryview(buckets), memoryview(places), count - 1
        self._data, self._offsets = memoryview(texts.data), memoryview(texts.offsets)

    @classmethod
    def of(cls, texts: Texts) -> "TextIndex":
        """The index of texts, with as many buckets as texts or up to twice as many."""
        count = 1 << max(len(texts) - 1, 0).bit_length()
        bucket_of = checksums(texts) & np.uint32(count - 1)
        buckets = np.zeros(count + 1, np.int32)
        np.cumsum(np.bincount(bucket_of, minlength=count), out=buckets[1:])
        return cls(texts, buckets, np.argsort(bucket_of, kind="stable").astype(np.int32))

    def find(self, text: str) -> int:
        """The place of a text; -1 for one that is not there."""
        try:
            wanted = text.encode()
        except UnicodeEncodeError:  # half of a surrogate pair, which JSON can express and UTF-8 cannot
            return -1
        bucket = zlib.crc32(wanted) & self._mask
        offsets = self._offsets
        for position in range(self._buckets[bucket], self._buckets[bucket + 1]):
            place = self._places[position]
            if self._data[offsets[place] : offsets[place + 1]] == wanted:
                return place
        return -1


def checksums(texts: Texts) -> np.ndarray:
    """The CRC-32 of each text, uint32 [texts]: a byte of all texts at a time, by the usual table of 256 remainders."""
    found = np.empty(len(texts), np.uint32)
    for start in range(0, len(texts), BLOCK):
        offsets = np.asarray(texts.offsets[start : start + BLOCK + 1])
        lengths = np.diff(offsets)
        longest_first = np.argsort(-lengths, kind="stable")
        starts, lengths = offsets[:-1][longest_first], lengths[longest_first]
        state = np.full(len(starts), 0xFFFFFFFF, np.uint32)
        for position in range(lengths[0]):
            active = np.searchsorted(-lengths, -position)  # the texts that are longer than ``position``
            byte = texts.data[starts[:active] + position]
            state[:active] = _REMAINDERS[(state[:active] ^ byte) & 0xFF] ^ (state[:active] >> np.uint32(8))
        found[start + longest_first] = ~state
    return found


def _remainders() -> np.ndarray:
    values = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        values = np.where(values & 1, np.uint32(0xEDB88320), np.uint32(0)) ^ (values >> np.uint32(1))
    return values


_REMAINDERS = _remainders()
