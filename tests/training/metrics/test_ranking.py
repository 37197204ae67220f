"""Lists whose worth is known."""

from __future__ import annotations

import numpy as np
import pytest
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


def test_lists_may_be_made_in_another_way_and_measured_by_vectors() -> None:
    everything = encode(generate(seed=2, users=30, movies=40, ratings=300).log, False)
    train, test = everything.take(np.arange(0, 300, 2)), everything.take(np.arange(1, 300, 2))

    def make(order: torch.Tensor, excluded: list[np.ndarray], lengths: list[int]) -> list[np.ndarray]:
        return [np.array([1, 2]) for _ in lengths]

    vectors = torch.zeros(everything.shape[1], 2)
    vectors[1], vectors[2] = torch.tensor([1.0, 0.0]), torch.tensor([3.0, 4.0])
    metrics = ranking.measure(lambda rows: torch.zeros(len(rows), 41), train, test, vectors=vectors, make=make)
    assert metrics["diversity@10"] == pytest.approx(1 - 0.6)
    assert metrics["coverage@10"] == 2 / 40
    raters = np.bincount(train.movie_rows)[[1, 2]]
    assert metrics["novelty@10"] == pytest.approx(np.log2(len(np.unique(train.user_rows)) / raters).mean())
    assert "diversity@10" not in ranking.measure(lambda rows: torch.zeros(len(rows), 41), train, test, make=make)


def test_users_without_training_rows_are_measured_apart() -> None:
    everything = encode(generate(seed=2, users=30, movies=40, ratings=300).log, False)
    is_cold, late = everything.user_rows <= 5, np.arange(300) % 2 == 1
    train, test = everything.take(np.flatnonzero(~is_cold & ~late)), everything.take(np.flatnonzero(late))
    wanted = torch.zeros(everything.shape)
    warm = np.isin(test.user_rows, train.user_rows)
    wanted[test.user_rows[warm], test.movie_rows[warm]] = 1  # perfect for the users that have training rows alone
    assert ranking.measure(lambda rows: wanted[rows], train, test)["ndcg@10"] == 1
    assert ranking.measure(lambda rows: wanted[rows], train, test, cold=True)["ndcg@10"] < 0.9
    assert ranking.users_of(train, test, cold=True).tolist() == np.unique(test.user_rows[~warm]).tolist()
    assert ranking.measure(lambda rows: wanted[rows], train, train, cold=True) == {}
