"""Columns of strings as the two arrays that an archive keeps, without a Python object for each."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from handlers.recommender.model.texts import Texts


def texts_of(strings: pd.Series | pd.Index) -> Texts:
    """A column's strings in order; a missing one is empty."""
    column = pa.array(strings, pa.large_string(), from_pandas=True)
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    column = pc.fill_null(column, "")
    _, offsets, data = column.buffers()
    ends = np.frombuffer(offsets, np.int64)[column.offset : column.offset + len(column) + 1]
    octets = np.frombuffer(data, np.uint8)[ends[0] : ends[-1]] if data else np.zeros(0, np.uint8)
    return Texts(octets, ends - ends[0])
