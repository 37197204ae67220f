"""Surprise: matrix factorization by stochastic gradient descent, and a baseline of biases."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import surprise

from training.estimators import Recommender
from training.interactions import Interactions


class Surprise(Recommender):
    """``algorithm``: "SVD" or "BaselineOnly"; the options are those of the algorithm."""

    uses_features = False

    def __init__(self, algorithm: str = "SVD", seed: int = 0, **options: Any) -> None:
        if algorithm == "SVD":
            self.model = surprise.SVD(random_state=seed, **options)
        else:
            self.model = surprise.BaselineOnly(verbose=False, **options)

    def _fit(self, train: Interactions, validation: Interactions | None) -> None:
        columns = {"user": train.user_rows, "movie": train.movie_rows, "rating": train.ratings}
        scale = surprise.Reader(rating_scale=(float(train.ratings.min()), float(train.ratings.max())))
        self.model.fit(surprise.Dataset.load_from_df(pd.DataFrame(columns), scale).build_full_trainset())

    def predict_rows(self, users: np.ndarray, movies: np.ndarray, timestamps: np.ndarray | None = None) -> np.ndarray:
        """Predicted ratings, not clipped: float32 [n]."""
        pairs = zip(users.tolist(), movies.tolist(), strict=True)
        return np.array([self.model.predict(user, movie, clip=False).est for user, movie in pairs], np.float32)
