"""What every process of a fit knows of the ratings."""

from __future__ import annotations

import pytest
import torch

from tests.training.fits import quick
from training.data import generate
from training.fitting.least_squares import Solver
from training.interactions import encode
from training.samplers import view as module
from training.samplers.gibbs import Sampler


@pytest.mark.parametrize("n_factors", [8, 30])
def test_matrices_in_work_at_a_time_are_bounded_whatever_the_length_of_vectors(n_factors: int, monkeypatch) -> None:
    monkeypatch.setitem(module.NUMBERS_AT_A_TIME, "cpu", 10 * 1024)
    train = encode(generate(seed=0, users=60, movies=50, ratings=900).log, False)
    likes, ratings = quick("mf", "like", n_factors=n_factors), quick("mf", sample_factors=n_factors)
    fits = (
        Solver.of(train, likes, (0.1,), 0.0, 0, False, "cpu"),
        Sampler.of(train, ratings, 0, False, torch.device("cpu")),
    )
    for fit in fits:
        batches = fit.users.view.batches()
        largest = max(batch[-1].entities.stop - batch[0].first for batch in batches)
        assert largest * (n_factors + 2) ** 2 <= 10 * 1024
