"""The effect of features on embeddings."""

from __future__ import annotations

import numpy as np
import torch
from scipy import sparse

from training.samplers.features import FeatureBlock
from training.samplers.shares import Shares
from training.samplers.view import View


def test_feature_effects_are_found_where_they_are_planted() -> None:
    rng = np.random.default_rng(0)
    features = sparse.csr_array((rng.random((500, 6)) < 0.4).astype(np.float32))
    effects = rng.normal(size=(6, 3))
    block = FeatureBlock.of_matrix(features, torch.arange(500), 3, 10.0, 64)
    drawn = []
    for _ in range(200):
        unexplained = features @ effects + rng.normal(scale=0.1, size=(500, 3))
        block.sample(torch.from_numpy(unexplained).float(), np.eye(3) * 100, rng)
        drawn.append(block.beta().numpy())
    np.testing.assert_allclose(np.mean(drawn[20:], axis=0), effects, atol=0.05)


class TestHistories:
    """A history's block, made from the views of both sides without a matrix of its own."""

    def block_and_matrix(self, rated_movies: int) -> tuple[FeatureBlock, np.ndarray]:
        rng = np.random.default_rng(1)
        rated = rng.random((60, rated_movies)) < 0.3
        rated[0] = False  # somebody without ratings
        users, movies = (torch.from_numpy(rows.astype(np.int32)) for rows in rated.nonzero())
        shape = 60, rated_movies + 5  # and movies that nobody has rated
        views = [
            View(rows, others, torch.zeros(len(rows)), Shares(rows.bincount(minlength=count)), empty, 4)
            for rows, others, (count, empty) in ((users, movies, shape), (movies, users, shape[::-1]))
        ]
        matrix = np.pad(rated / np.sqrt(np.maximum(rated.sum(axis=1, keepdims=True), 1)), ((0, 0), (0, 5)))
        return FeatureBlock.of_history(*views, 3, 10.0, 64), matrix

    def test_few_columns_are_decomposed_as_they_are(self) -> None:
        block, matrix = self.block_and_matrix(20)
        np.testing.assert_allclose((block.projected @ block.right).numpy(), matrix, atol=1e-4)
        np.testing.assert_allclose(block.right[:, 20:], 0, atol=1e-5)

    def test_an_entry_weighs_the_root_of_how_many_there_are(self) -> None:
        block, matrix = self.block_and_matrix(20)
        singular = np.linalg.svd(matrix, compute_uv=False)
        np.testing.assert_allclose(block.singular[:, 0], singular[: len(block.singular)], rtol=1e-3)

    def test_the_mean_history_stands_for_an_unknown_one(self) -> None:
        block, matrix = self.block_and_matrix(20)
        block.take_mean_as_unknown()
        matrix[0] = matrix[1:].mean(axis=0)
        np.testing.assert_allclose((block.projected @ block.right).numpy(), matrix, atol=1e-4)
