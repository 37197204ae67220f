"""What side features of movies say in the list ranker: movies with the same value are alike."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from ..interactions import SideData, feature_matrix


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
