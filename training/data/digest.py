"""The hash of a table's contents, from its columns as they lie in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa
from pandas.api.types import is_numeric_dtype


def sha256_of(*tables: pd.DataFrame | None) -> str:
    """Hex digest of tables: names, types and values of their columns, in their order. None counts as a table."""
    digest = hashlib.sha256()
    for table in tables:
        digest.update(b"none\n" if table is None else f"{len(table)} rows of {list(table)}\n".encode())
        for part in () if table is None else (part for name in table for part in _parts(table[name])):
            digest.update(part)
    return digest.hexdigest()


def _parts(column: pd.Series) -> Iterator[bytes | memoryview]:
    """What identifies a column of numbers, or of texts: little-endian numbers, or lengths and UTF-8."""
    if is_numeric_dtype(column):
        if isinstance(column.dtype, np.dtype):
            values = column.to_numpy()
        else:  # years, of which some are missing
            values = column.to_numpy(np.float64, na_value=np.nan)
        values = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
        yield values.dtype.str.encode()
        yield memoryview(values).cast("B") if len(values) else b""
        return
    texts = pa.chunked_array(pa.array(column.astype("str").fillna(""), pa.large_string()))
    offsets = [
        np.frombuffer(chunk.buffers()[1], np.int64, len(chunk) + 1, 8 * chunk.offset) for chunk in texts.chunks if chunk
    ]
    yield b"text"
    for ends in offsets:
        yield np.diff(ends).astype("<i4").tobytes()
    for ends, chunk in zip(offsets, (chunk for chunk in texts.chunks if chunk), strict=True):
        yield memoryview(chunk.buffers()[2])[ends[0] : ends[-1]]
