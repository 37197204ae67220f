"""The leading singular vectors of a large matrix, at a cost linear in it."""

from __future__ import annotations

import numpy as np
from scipy.sparse.linalg import LinearOperator

from ..progress import counted

OVERSAMPLED = 32  # columns beyond the rank; without them the last singular vectors would be inexact
ITERATIONS = 4  # each divides the share of small singular values by the square of their ratio to the large ones


def truncated_svd(matrix: LinearOperator, rank: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The largest singular values [k] of a matrix [m, n], descending, and its right singular vectors [n, k].

    Randomised subspace iteration (Halko, Martinsson and Tropp, SIAM Review 53(2), 2011, algorithms 4.4 and 5.1): the
    matrix is only multiplied by blocks of vectors. k is ``rank``, or less where the matrix has no more singular values
    above rounding. float32, repeatable by ``seed``.
    """
    _, columns = matrix.shape
    block = min(rank + OVERSAMPLED, columns)
    start = np.random.default_rng(seed).standard_normal((columns, block), np.float32)
    basis = np.linalg.qr(start)[0]
    for _ in counted(range(ITERATIONS), "singular vectors", ITERATIONS, "step"):
        basis = np.linalg.qr(matrix.H @ (matrix @ basis))[0].astype(np.float32, copy=False)
    seen = (matrix @ basis).astype(np.float64)
    squares, vectors = np.linalg.eigh(seen.T @ seen)
    order = np.argsort(-squares)[:rank]
    order = order[squares[order] > 1e-10 * max(squares.max(), 1e-30)]
    return np.sqrt(squares[order]).astype(np.float32), basis @ vectors[:, order].astype(np.float32)
