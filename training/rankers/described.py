"""What side features say in the list ranker: groups of users differ from all, and movies of a group are alike."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from ..interactions import SideData, feature_matrix

FEATURE_RIDGE = 20.0  # a group of users counts as if it had so many more users of average taste


def groups_of(side: SideData, rated: sparse.csr_array, present: np.ndarray) -> np.ndarray:
    """[1 + feature values, kept]: a movie's weight in the average user, and how groups of users differ from it."""
    values = feature_matrix(side)
    values.data *= np.repeat(present, np.diff(values.indptr))
    average = np.bincount(rated.indices, rated.data, rated.shape[1]) / present.sum()
    centred = (values.T @ rated).toarray() - np.outer(values.sum(axis=0), average)
    groups = np.linalg.solve((values.T @ values).toarray() + FEATURE_RIDGE * np.eye(side.schema.size), centred)
    return np.concatenate([average[None], groups]).astype(np.float32)


def rows_of_features(movies: SideData, kept: np.ndarray, weight: float) -> sparse.csr_array:
    """Rows for the log's matrix, float32 [feature values, kept]: each value is a user who has rated what has it.

    Two movies with the same value then have ``weight`` more in the Gram matrix. A missing value is none. Jeunen, Van
    Balen and Goethals, "Closed-form models for collaborative filtering with side-information", RecSys 2020.
    """
    missing = [field.offset for field in movies.schema.fields]
    values = np.setdiff1d(np.arange(movies.schema.size), missing)
    rows = feature_matrix(movies)[kept][:, values].T.tocsr()
    rows.data *= np.float32(weight**0.5)
    return rows
