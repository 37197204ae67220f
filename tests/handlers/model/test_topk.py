"""The partial sort behind every list, against sorting everything."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from handlers.recommender.model import topk
from handlers.recommender.model.topk import top


@pytest.mark.parametrize("levels", [3, 1_000_000])
@pytest.mark.parametrize("rows", [1683, topk.BLOCK * 64, 20_000])
def test_the_largest_of_blocks_are_the_largest_of_all(rows: int, levels: int) -> None:
    # Scores of few levels tie across blocks, and within them.
    scores = torch.randint(levels, (3, rows), generator=torch.Generator().manual_seed(rows)).float()
    scores[1, : rows // 2] = -torch.inf
    for count in (1, 4, 11, 100):
        values, where = topk._largest(scores, count)
        assert torch.equal(values, scores.topk(count).values)
        assert torch.equal(scores.gather(1, where), values)
        assert all(len(set(some)) == count for some in where.tolist()), "no row twice"


def test_a_long_list_is_what_sorting_gives_ties_by_row() -> None:
    scores = torch.randint(40, (2, 30_001), generator=torch.Generator().manual_seed(0)).float()
    out = [np.arange(100), np.array([0])]
    expected = [
        [row for row in np.argsort(-its, kind="stable").tolist() if row not in set(some)][:length]
        for its, some, length in zip(scores.numpy(), out, (10, 20), strict=True)
    ]
    assert [found.tolist() for found in top(scores, out, [10, 20])] == expected


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
    excluded = [
        np.isin(np.arange(rows), out) if data.draw(st.booleans(), "as a mask") else np.array(out, dtype=np.int64)
        for out in barred
    ]
    found = top(torch.tensor(scores, dtype=torch.float32), excluded, lengths)
    assert [some.tolist() for some in found] == expected
