"""The partial sort behind every list, against sorting everything."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from handlers.recommender.catalogue import top


@given(st.data())
def test_top_is_what_sorting_gives_ties_by_row(data: st.DataObject) -> None:
    requests, rows = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 12))
    # Few different scores, so that ties are everywhere.
    scores = data.draw(
        st.lists(st.lists(st.integers(0, 3), min_size=rows, max_size=rows), min_size=requests, max_size=requests)
    )
    barred = [data.draw(st.lists(st.integers(0, rows - 1), max_size=rows)) for _ in range(requests)]
    lengths = [data.draw(st.integers(1, rows + 2)) for _ in range(requests)]
    expected = [
        [row for row in sorted(range(rows), key=lambda row: (-its[row], row)) if row not in out][:length]
        for its, out, length in zip(scores, barred, lengths, strict=True)
    ]
    found = top(torch.tensor(scores, dtype=torch.float32), [np.array(out, dtype=np.int64) for out in barred], lengths)
    assert [some.tolist() for some in found] == expected
