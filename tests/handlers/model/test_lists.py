"""Lists of a batch: each is made as it would be alone, whatever the others ask for."""

from __future__ import annotations

import numpy as np
import torch

from handlers.recommender.model.lists import ListMaker
from handlers.recommender.model.query import Selection
from handlers.recommender.model.topk import top

ASKED = [Selection(5), Selection(8, diversity=0.5), Selection(3, popularity_damping=0.5), Selection(7, diversity=1.0)]


def test_lists_of_a_batch_are_those_made_alone() -> None:
    rng = np.random.default_rng(0)
    order = torch.from_numpy(rng.standard_normal((len(ASKED), 60)).astype(np.float32))
    counts, vectors = rng.integers(0, 100, 60), torch.from_numpy(rng.random((60, 4)).astype(np.float32) / 2)
    excluded = [rng.choice(60, 6, replace=False) for _ in ASKED]
    excluded[1] = np.isin(np.arange(60), excluded[1])
    maker = ListMaker(counts, vectors, torch.device("cpu"))
    together = maker.make(order.clone(), excluded, ASKED)
    for place, selection in enumerate(ASKED):
        (alone,) = maker.make(order[place : place + 1].clone(), [excluded[place]], [selection])
        assert together[place].tolist() == alone.tolist()
        assert len(alone) == selection.k
        out = np.flatnonzero(excluded[place]) if excluded[place].dtype == bool else excluded[place]
        assert not set(alone) & set(out)
    plain = top(order[:1].clone(), excluded[:1], [5])[0]
    assert together[0].tolist() == plain.tolist()
