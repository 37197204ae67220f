"""LightFM: a matrix factorization by stochastic gradient descent on ranks (WARP), ids alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from lightfm import LightFM as Model
from scipy import sparse

from training.estimators import Recommender
from training.interactions import Interactions


class LightFM(Recommender):
    """``epochs``: passes over the rows; ``penalty``: of users and movies; the other options are LightFM's own."""

    uses_features = False

    def __init__(self, epochs: int = 30, penalty: float = 0.0, seed: int = 0, **options: Any) -> None:
        self.epochs = epochs
        self.model = Model(loss="warp", user_alpha=penalty, item_alpha=penalty, random_state=seed, **options)

    def _fit(self, train: Interactions, validation: Interactions | None) -> None:
        ones = np.ones(len(train), np.float32)
        rated = sparse.coo_matrix((ones, (train.user_rows, train.movie_rows)), train.shape)
        self.model.fit(rated, epochs=self.epochs, num_threads=1)
        # A user's own bias does not change the order of their list.
        _, self.users = self.model.get_user_representations()
        self.biases, self.movies = self.model.get_item_representations()

    def predict_rows(self, users: np.ndarray, movies: np.ndarray, timestamps: np.ndarray | None = None) -> np.ndarray:
        """What orders the lists, no ratings: float32 [n]."""
        return np.einsum("nd,nd->n", self.users[users], self.movies[movies]) + self.biases[movies]

    def order(self, users: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(self.users[users] @ self.movies.T + self.biases)

    @property
    def size(self) -> int:
        """Bytes of what makes lists."""
        return self.users.nbytes + self.movies.nbytes + self.biases.nbytes
