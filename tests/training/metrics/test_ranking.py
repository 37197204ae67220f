"""Lists whose worth is known."""

from __future__ import annotations

import numpy as np
import torch

from training.data import generate
from training.interactions import encode
from training.metrics import ranking


def test_a_list_that_is_shorter_than_ten_can_be_perfect() -> None:
    everything = encode(generate(seed=2, users=30, movies=12, ratings=150).log, False)
    train, test = everything.take(np.arange(0, 150, 2)), everything.take(np.arange(1, 150, 2))
    wanted = torch.zeros(everything.shape)
    wanted[test.user_rows, test.movie_rows] = 1
    metrics = ranking.measure(lambda rows: wanted[rows], train, test)
    assert metrics["ndcg@10"] == metrics["recall@20"] == 1
