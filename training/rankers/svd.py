"""The leading singular vectors of a large matrix, at a cost linear in it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from scipy import sparse
from scipy.sparse.linalg import LinearOperator

from ..progress import counted

BLOCKS_A_RANK = 4  # a block of vectors is a quarter of the rank
OVERSAMPLED = 1.5  # the basis is so many times as long as the rank; with less the last vectors would be inexact
SMALLEST_BLOCK = 16
COLUMNS_AT_ONCE = 32  # of so many columns, the rows that a sparse product needs again soon stay in the cache
ROUNDING = 1e-6  # squares of singular values below this share of the largest are noise


def truncated_svd(matrix: LinearOperator, rank: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The largest singular values [k] of a matrix [m, n], descending, and its right singular vectors [n, k].

    Block Lanczos with full orthogonalisation: a Rayleigh-Ritz projection on the Krylov space of a random block (Musco
    and Musco, Randomized block Krylov methods, NIPS 2015, algorithm 2). The matrix is only multiplied by blocks of
    vectors, a third as many as subspace iteration needs. k is ``rank``, or less where the matrix has no more singular
    values above rounding. float32, repeatable by ``seed``.
    """
    _, columns = matrix.shape
    width = max(rank // BLOCKS_A_RANK, SMALLEST_BLOCK)
    length = min(max(round(OVERSAMPLED * rank), rank + 2 * width), columns)
    basis = torch.empty(columns, length)
    projected = torch.zeros(length, length, dtype=torch.float64)  # basis.T @ matrix.H @ matrix @ basis, upper half
    start = np.random.default_rng(seed).standard_normal((columns, min(width, length)), np.float32)
    block = torch.linalg.qr(torch.from_numpy(start))[0]
    starts = range(0, length, width)
    for first in counted(starts, "singular vectors", len(starts), "block"):
        end = first + block.size(1)
        basis[:, first:end] = block
        image = torch.from_numpy(matrix.H @ (matrix @ block.numpy()))
        known = basis[:, :end]
        projected[:end, first:end] = (known.t() @ image).double()
        block = image[:, : length - end]
        for _ in range(2 if end < length else 0):  # the second time takes out what rounding left
            block = torch.linalg.qr(block - known @ (known.t() @ block))[0]
    squares, vectors = torch.linalg.eigh(projected, UPLO="U")
    squares, vectors = squares.flip(0)[:rank], vectors.flip(1)[:, :rank]
    kept = squares > max(ROUNDING * squares[0].item(), 1e-30)
    return squares[kept].sqrt().float().numpy(), (basis @ vectors[:, kept].float()).numpy()


def in_threads(matrix: sparse.csr_array) -> LinearOperator:
    """A float32 matrix [m, n] whose products with blocks of vectors use as many threads as torch does.

    SciPy's use one. Both products go through the rows of the matrix in order, and so through memory.
    """

    def product(left: sparse.sparray, block: np.ndarray) -> np.ndarray:
        parts = [
            np.ascontiguousarray(block[:, first : first + COLUMNS_AT_ONCE])
            for first in range(0, block.shape[1], COLUMNS_AT_ONCE)
        ]
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            return np.concatenate(list(pool.map(left.__matmul__, parts)), axis=1)

    return LinearOperator(
        matrix.shape,
        matvec=matrix.__matmul__,
        rmatvec=matrix.T.__matmul__,
        matmat=lambda block: product(matrix, block),
        rmatmat=lambda block: product(matrix.T, block),
        dtype=np.float32,
    )
