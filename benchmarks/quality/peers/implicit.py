"""implicit: matrix factorizations that make lists."""

from __future__ import annotations

import numpy as np
import torch
from implicit.als import AlternatingLeastSquares
from implicit.bpr import BayesianPersonalizedRanking
from scipy import sparse

from training.dataset import Dataset
from training.lists import Order

from ..grids import Settings

KINDS = {"implicit, ALS": AlternatingLeastSquares, "implicit, BPR": BayesianPersonalizedRanking}


def order(name: str, dataset: Dataset, index: np.ndarray, settings: Settings, seed: int) -> Order:
    """What orders the lists of user rows, fitted to the rows ``index``, every one a positive."""
    shape = len(dataset.users.vocabulary), len(dataset.movies.vocabulary)
    ones = np.ones(len(index), np.float32)
    rated = sparse.csr_matrix((ones, (dataset.user_rows[index], dataset.movie_rows[index])), shape)
    # A process of its own for every thread would be no gain, and the fit with one is repeatable.
    model = KINDS[name](random_state=seed, num_threads=1, **settings)
    model.fit(rated, show_progress=False)
    users, movies = torch.from_numpy(model.user_factors), torch.from_numpy(model.item_factors)
    return lambda rows: users[rows] @ movies.T
