"""implicit: item-kNN, the sum of the cosines of a movie with those that a user has rated."""

from __future__ import annotations

import numpy as np
import torch
from implicit.nearest_neighbours import CosineRecommender
from scipy import sparse

from training.estimators import Recommender
from training.interactions import Interactions


class ItemKNN(Recommender):
    """``neighbours``: how many of each movie count. Every row is a positive. Nothing is drawn by ``seed``."""

    uses_features = False

    def __init__(self, neighbours: int = 20, seed: int = 0) -> None:
        self.model = CosineRecommender(K=neighbours, num_threads=1)

    def _fit(self, train: Interactions, validation: Interactions | None) -> None:
        ones = np.ones(len(train))
        self.rated = sparse.csr_matrix((ones, (train.user_rows, train.movie_rows)), train.shape)
        self.model.fit(self.rated, show_progress=False)

    def predict_rows(self, users: np.ndarray, movies: np.ndarray, timestamps: np.ndarray | None = None) -> np.ndarray:
        """What orders the lists, no ratings: float32 [n]."""
        return self.order(users).numpy()[np.arange(len(users)), movies]

    def order(self, users: np.ndarray) -> torch.Tensor:
        return torch.from_numpy((self.rated[users] @ self.model.similarity).toarray().astype(np.float32))
