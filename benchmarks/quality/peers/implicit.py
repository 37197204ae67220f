"""implicit: matrix factorizations that make lists."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from implicit.als import AlternatingLeastSquares
from implicit.bpr import BayesianPersonalizedRanking
from scipy import sparse

from training.estimators import Recommender
from training.interactions import Interactions

ALGORITHMS = {"implicit, ALS": AlternatingLeastSquares, "implicit, BPR": BayesianPersonalizedRanking}


class Implicit(Recommender):
    """``algorithm``: a key of ``ALGORITHMS``; the options are those of the algorithm. Every row is a positive."""

    uses_features = False

    def __init__(self, algorithm: str = "implicit, ALS", seed: int = 0, **options: Any) -> None:
        # A process of its own for every thread would be no gain, and the fit with one is repeatable.
        self.model = ALGORITHMS[algorithm](random_state=seed, num_threads=1, **options)

    def _fit(self, train: Interactions, validation: Interactions | None) -> None:
        ones = np.ones(len(train), np.float32)
        rated = sparse.csr_matrix((ones, (train.user_rows, train.movie_rows)), train.shape)
        self.model.fit(rated, show_progress=False)

    def predict_rows(self, users: np.ndarray, movies: np.ndarray, timestamps: np.ndarray | None = None) -> np.ndarray:
        """What orders the lists, no ratings: float32 [n]."""
        return np.einsum("nd,nd->n", self.model.user_factors[users], self.model.item_factors[movies])

    def order(self, users: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(self.model.user_factors)[users] @ torch.from_numpy(self.model.item_factors).T

    @property
    def size(self) -> int:
        """Bytes of what makes lists."""
        return self.model.user_factors.nbytes + self.model.item_factors.nbytes
