"""The hash of a table's contents, from its columns as they lie in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa
from pandas.api.types import is_numeric_dtype

_ROWS_AT_A_TIME = 1 << 20


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
    yield b"text"
    for texts in _texts(column):
        yield np.diff(_ends(texts)).astype("<i4").tobytes()
    for texts in _texts(column):
        ends = _ends(texts)
        yield memoryview(texts.buffers()[2])[ends[0] : ends[-1]]


def _texts(column: pd.Series) -> Iterator[pa.Array]:
    """Texts in arrays that are not empty, a bounded number at a time; a missing one is ""."""
    unique, codes = None, None
    if isinstance(column.dtype, pd.CategoricalDtype):
        unique = pa.array(pd.Series(column.cat.categories).astype("str"), pa.large_string())
        codes = column.cat.codes.to_numpy()
    for start in range(0, len(column), _ROWS_AT_A_TIME):
        part = slice(start, start + _ROWS_AT_A_TIME)
        if unique is None:
            rows = pa.array(column.iloc[part].astype("str").fillna(""), pa.large_string())
        else:
            rows = unique.take(pa.array(codes[part], mask=codes[part] < 0)).fill_null("")
        yield from (texts for texts in pa.chunked_array(rows).chunks if texts)


def _ends(texts: pa.Array) -> np.ndarray:
    """Where each text begins in the bytes, and where the last one ends: int64 [1 + n]."""
    return np.frombuffer(texts.buffers()[1], np.int64, len(texts) + 1, 8 * texts.offset)
