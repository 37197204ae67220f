"""The average of samples as one factorization."""

from __future__ import annotations

import numpy as np
import torch

from training.samplers.average import Average, balanced
from training.samplers.gibbs import Sample


class TestAveraging:
    def samples(self) -> list[Sample]:
        rng = np.random.default_rng(0)
        return [
            Sample(*(torch.from_numpy(rng.normal(size=(rows, 4))) for rows in (30, 40, 5, 6)))
            for _ in range(8)
        ]  # fmt: skip

    def projections(self, left: np.ndarray, right: np.ndarray, n_factors: int) -> list[np.ndarray]:
        grams = (torch.from_numpy(side.T @ side) for side in (left, right))
        return [projection.numpy() for projection in balanced(*grams, n_factors)]

    def mean_score(self, samples) -> np.ndarray:
        return np.mean(
            [
                (each.users[:, :-1] @ each.movies[:, :-1].T + each.users[:, -1:] + each.movies[:, -1]).numpy()
                for each in samples
            ],
            axis=0,
        )

    def test_one_long_factorization_is_the_average_of_all(self) -> None:
        samples, average = self.samples(), Average(30, torch.arange(30), torch.arange(40))
        for sample in samples:
            average.add(sample)
        users, movies = average.embeddings()
        users, movies = users[:30], movies[:40]
        scores = users[:, :-1] @ movies[:, :-1].T + users[:, -1:] + movies[:, -1]
        np.testing.assert_allclose(scores, self.mean_score(samples), atol=1e-6)

    def test_a_long_average_loses_nothing_on_the_way(self) -> None:
        """The columns of 60 samples are cut several times before the last of them is added."""
        rng = np.random.default_rng(0)
        samples = [
            Sample(*(torch.from_numpy(rng.normal(size=(rows, 17))) for rows in (300, 320, 1, 1))) for _ in range(60)
        ]
        average = Average(300, torch.arange(300), torch.arange(320))
        for sample in samples:
            average.add(sample)
        users, movies = (table[:-1] for table in average.embeddings())
        scores = users[:, :-1] @ movies[:, :-1].T + users[:, -1:] + movies[:, -1]
        np.testing.assert_allclose(scores, self.mean_score(samples), atol=1e-6)

    def test_cutting_is_the_best_approximation_of_that_width(self) -> None:
        rng = np.random.default_rng(1)
        left, right = rng.normal(size=(30, 12)), rng.normal(size=(40, 12))
        to_left, to_right = self.projections(left, right, 5)
        first, singular, second = np.linalg.svd(left @ right.T)
        best = first[:, :5] * singular[:5] @ second[:5]
        np.testing.assert_allclose(left @ to_left @ (right @ to_right).T, best, atol=1e-9)

    def test_width_beyond_the_rank_is_padded(self) -> None:
        rng = np.random.default_rng(1)
        left, right = rng.normal(size=(6, 3)), rng.normal(size=(7, 3))
        to_left, to_right = self.projections(left, right, 9)
        assert to_left.shape == (3, 9)
        np.testing.assert_allclose(left @ to_left @ (right @ to_right).T, left @ right.T, atol=1e-9)
