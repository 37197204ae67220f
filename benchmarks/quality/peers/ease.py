"""EASE in closed form: a regression of every movie on all others (Steck, WWW 2019).

Its Gram matrix is dense, movies by movies, so it is for catalogues of some thousand movies.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy import linalg, sparse

from training.estimators import Recommender
from training.interactions import Interactions


class EASE(Recommender):
    """``ridge``: lambda in equation 8 of the paper. Every row is a positive. Nothing is drawn by ``seed``."""

    uses_features = False

    def __init__(self, ridge: float = 500.0, seed: int = 0) -> None:
        self.ridge = ridge

    def _fit(self, train: Interactions, validation: Interactions | None) -> None:
        ones = np.ones(len(train), np.float32)
        self.rated = sparse.csr_array((ones, (train.user_rows, train.movie_rows)), train.shape)
        gram = (self.rated.T @ self.rated).toarray().astype(np.float64)
        gram[np.diag_indices_from(gram)] += self.ridge
        inverse = linalg.inv(gram, overwrite_a=True, check_finite=False)  # P
        weights = -inverse / np.diag(inverse)  # B, whose diagonal is zero
        np.fill_diagonal(weights, 0)
        self.weights = weights.astype(np.float32)

    def predict_rows(self, users: np.ndarray, movies: np.ndarray, timestamps: np.ndarray | None = None) -> np.ndarray:
        """What orders the lists, no ratings: float32 [n]."""
        return self.order(users).numpy()[np.arange(len(users)), movies]

    def order(self, users: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(self.rated[users] @ self.weights)

    @property
    def size(self) -> int:
        """Bytes of what makes lists."""
        return self.weights.nbytes
