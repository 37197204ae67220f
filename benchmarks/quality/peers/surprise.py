"""Surprise: matrix factorization by stochastic gradient descent, and a baseline of biases."""

from __future__ import annotations

import numpy as np
import pandas as pd
import surprise

from training.dataset import Dataset

from ..grids import Settings
from . import Predict


def fit(dataset: Dataset, index: np.ndarray, settings: Settings, seed: int) -> Predict:
    """The algorithm that the settings name, fitted to the rows ``index``."""
    ratings = dataset.ratings[index]
    rows = pd.DataFrame({"user": dataset.user_rows[index], "movie": dataset.movie_rows[index], "rating": ratings})
    scale = surprise.Reader(rating_scale=(float(ratings.min()), float(ratings.max())))
    options = {name: value for name, value in settings.items() if name != "algorithm"}
    if settings["algorithm"] == "SVD":
        model = surprise.SVD(random_state=seed, **options)
    else:
        model = surprise.BaselineOnly(verbose=False, **options)
    model.fit(surprise.Dataset.load_from_df(rows, scale).build_full_trainset())

    def predict(held_out: Dataset) -> np.ndarray:
        pairs = zip(held_out.user_rows.tolist(), held_out.movie_rows.tolist(), strict=True)
        return np.array([model.predict(user, movie, clip=False).est for user, movie in pairs])

    return predict
