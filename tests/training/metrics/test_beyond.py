"""Novelty and intra-list diversity, beside what they are by definition."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch

from training.metrics.beyond import intra_list_diversity, novelty


def test_novelty_is_in_bits() -> None:
    counts = np.array([0, 1000, 500, 1, 0])
    assert novelty(np.array([[1, 0]]), counts, 1000) == 0
    assert novelty(np.array([[1, 2], [2, 0]]), counts, 1000) == pytest.approx(2 / 3)
    assert novelty(np.array([[3, 4]]), counts, 1024) == 10


def test_diversity_is_the_mean_over_pairs_and_then_over_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.metrics.beyond.LISTS_AT_ONCE", 2)
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((30, 4)).astype(np.float32)
    vectors[5] = 0
    lists = np.array([[1, 2, 3, 4], [5, 6, 0, 0], [7, 0, 0, 0], [8, 9, 10, 0], [0, 0, 0, 0]])

    def distance(one: int, other: int) -> float:
        norms = np.linalg.norm(vectors[one]) * np.linalg.norm(vectors[other])
        return 1 - (vectors[one] @ vectors[other] / norms if norms else 0)

    whole = [listed[listed > 0] for listed in lists if np.count_nonzero(listed) > 1]
    expected = np.mean([np.mean([distance(*pair) for pair in combinations(listed, 2)]) for listed in whole])
    assert intra_list_diversity(lists, torch.from_numpy(vectors)) == pytest.approx(expected, abs=1e-6)
