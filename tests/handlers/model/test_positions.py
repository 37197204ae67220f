"""Positions spread evenly over many."""

from __future__ import annotations

import numpy as np
import pytest

from handlers.recommender.model.positions import evenly_spread


@pytest.mark.parametrize(("count", "limit"), [(2**24 + 3, 10_000), (7, 10_000), (1, 10_000), (0, 5)])
def test_positions_reach_from_the_first_to_the_last(count: int, limit: int) -> None:
    rows = evenly_spread(count, limit)
    assert len(rows) == min(count, limit)
    assert (np.diff(rows) > 0).all()
    assert rows.tolist() == [] or (rows[0] == 0 and rows[-1] == (count - 1 if count > 1 else 0))
