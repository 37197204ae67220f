"""Columns of a log on their way to disk, block by block."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

_ROWS_AT_A_TIME = 1 << 20


class NumberColumn:
    """A file of numbers, little-endian, one after another."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.kind = ""
        self.file = path.open("wb", buffering=0)

    def write(self, part: pa.Array) -> None:
        """Append the numbers of a block, which are of one type in all blocks."""
        self._append(part.to_numpy())

    def finish(self) -> str:
        """Write all of it to the disk; gives the NumPy type of what it holds."""
        os.fsync(self.file.fileno())
        self.close()
        return self.kind

    def close(self) -> None:
        """Close the file, whole or not."""
        self.file.close()

    def _append(self, values: np.ndarray) -> None:
        self.kind = values.dtype.newbyteorder("<").str
        bytes_left = memoryview(np.ascontiguousarray(values, self.kind)).cast("B")
        while bytes_left:  # a disk that is nearly full takes a part
            bytes_left = bytes_left[self.file.write(bytes_left) :]


class IdColumn(NumberColumn):
    """A file of ids: int64 while all are integers; from the first text on codes, int32, of texts in `path`.ids.

    The ids of each block are different texts with codes of their own, until `finish` gives each text one code.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.texts: list[pa.Array] = []
        self.count = 0  # of all texts

    def write(self, part: pa.Array) -> None:
        """Append the ids of a block, as `ids.narrow` gives them."""
        if not self.texts and pa.types.is_dictionary(part.type):
            self._rewrite(lambda ids: self._codes(pa.array(ids)), np.int64)
        self._append(self._codes(part) if self.texts or pa.types.is_dictionary(part.type) else part.to_numpy())

    def finish(self) -> str:
        """Write all of them to the disk; gives "text", or the NumPy type of the integers."""
        if not self.texts:
            return super().finish()
        found = pa.chunked_array(self.texts).combine_chunks().dictionary_encode()
        code = found.indices.to_numpy()
        self._rewrite(lambda codes: code[codes], np.int32)
        parquet.write_table(pa.table({"id": found.dictionary}), self.path.with_suffix(".ids"))
        super().finish()
        return "text"

    def _codes(self, part: pa.Array) -> np.ndarray:
        """Codes int32 [n] of the ids of a block, which take the next ones."""
        if not pa.types.is_dictionary(part.type):
            part = part.dictionary_encode()
            part = pa.DictionaryArray.from_arrays(part.indices, part.dictionary.cast(pa.large_string()))
        self.texts.append(part.dictionary)
        codes = part.indices.to_numpy() + np.int32(self.count)
        self.count += len(part.dictionary)
        return codes

    def _rewrite(self, change: Callable[[np.ndarray], np.ndarray], dtype: type) -> None:
        """Replace all numbers so far, which are of `dtype`, by what `change` makes of them."""
        self.close()
        earlier = self.path.with_suffix(".earlier")
        self.path.rename(earlier)
        self.file = self.path.open("wb", buffering=0)
        with earlier.open("rb") as file:
            while len(values := np.fromfile(file, dtype, _ROWS_AT_A_TIME)):
                self._append(change(values))
        earlier.unlink()
