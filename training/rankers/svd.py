"""The leading singular vectors of a large matrix, at a cost linear in it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from scipy import sparse
from scipy.sparse.linalg import LinearOperator
from torch import Tensor

from ..progress import stage

BLOCKS_A_RANK = 16  # a block is so many times narrower than the rank; narrow ones find more with as many products
NARROWEST = 16
OVERSAMPLED = 1.25  # the basis is so many times as long as the rank; with less the last vectors would be inexact
SMALL_SHARE = 0.1  # of a unit vector; what is left of it then has all the digits that float32 has
ROUNDING = 1e-6  # squares of singular values below this share of the largest are noise


def truncated_svd(matrix: LinearOperator, rank: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The largest singular values [k] of a matrix [m, n], descending, and its right singular vectors [n, k].

    Block Lanczos with full orthogonalisation: a Rayleigh-Ritz projection on the Krylov space of a random block (Musco
    and Musco, Randomized block Krylov methods, NIPS 2015, algorithm 2). The matrix is only multiplied by blocks of
    vectors. k is ``rank``, or less where the matrix has no more singular values above rounding. float32, repeatable by
    ``seed``.
    """
    rows, columns = matrix.shape
    width = max(rank // BLOCKS_A_RANK, NARROWEST)
    length = min(max(round(OVERSAMPLED * rank), rank + 4 * width), columns)
    basis = torch.empty(columns, length)
    projected = torch.zeros(length, length, dtype=torch.float64)  # basis.T @ matrix.H @ matrix @ basis, upper half
    start = torch.from_numpy(matrix.H @ np.random.default_rng(seed).standard_normal((rows, width), np.float32))
    block, end = _orthonormal(start[:, :length], basis[:, :0], 0.0), 0
    with stage("singular vectors", -(-length // width), "block") as advance:
        while block.size(1):  # none is left where the matrix has no more singular vectors
            first, end = end, end + block.size(1)
            basis[:, first:end] = block
            image = torch.from_numpy(matrix.H @ (matrix @ block.numpy()))
            known = basis[:, :end]
            shares = known.t() @ image
            projected[:end, first:end] = shares.double()
            advance()
            rest = (image - known @ shares)[:, : length - end]
            block = _orthonormal(rest, known, ROUNDING * projected.diagonal().max().item())
    basis = basis[:, :end]
    squares, vectors = torch.linalg.eigh(projected[:end, :end], UPLO="U")
    squares, vectors = squares.flip(0)[:rank], vectors.flip(1)[:, :rank]
    kept = squares > max(ROUNDING * (squares[0].item() if len(squares) else 0.0), 1e-30)
    return squares[kept].sqrt().float().numpy(), (basis @ vectors[:, kept].float()).numpy()


def _orthonormal(rest: Tensor, known: Tensor, noise: float) -> Tensor:
    """An orthonormal basis [n, k] of ``rest`` [n, b], from which the orthonormal ``known`` [n, d] have been taken.

    Directions that are no longer than ``noise`` are left out: they are nothing but rounding.
    """
    if not rest.numel():
        return rest
    basis, triangle = torch.linalg.qr(rest)
    directions, singular, _ = torch.linalg.svd(triangle)
    basis = basis @ directions[:, singular > max(noise, 1e-7 * singular[0].item(), 1e-30)]
    # Rounding leaves something of the known vectors, most where little is new. Where it was a small share, taking it
    # away once is enough (Parlett, The Symmetric Eigenvalue Problem, 1980, section 6.9: twice is enough).
    for _ in range(2):
        shares = known.t() @ basis
        basis = torch.linalg.qr(basis - known @ shares)[0]
        if not shares.numel() or shares.norm(dim=0).max() < SMALL_SHARE:
            break
    return basis


def in_threads(matrix: sparse.csr_array) -> LinearOperator:
    """A float32 matrix [m, n] whose products with blocks of vectors use as many threads as torch does; SciPy's use one.

    Each thread has a share of the rows. Both products go through it in order: to multiply the transposed matrix by its
    rows, adding up, is three times as fast as to store it transposed, because the vectors that are read are then in
    order too.
    """
    entries = np.linspace(0, matrix.nnz, 1 + torch.get_num_threads())
    ends = np.searchsorted(matrix.indptr, entries[1:-1])
    rows = list(zip([0, *ends], [*ends, matrix.shape[0]], strict=True))
    shares = [_rows(matrix, first, end) for first, end in rows]

    def product(block: np.ndarray) -> np.ndarray:
        with ThreadPoolExecutor(len(shares)) as pool:
            return np.concatenate(list(pool.map(lambda share: share @ block, shares)))

    def transposed_product(block: np.ndarray) -> np.ndarray:
        parts = [block[first:end] for first, end in rows]
        with ThreadPoolExecutor(len(shares)) as pool:
            return sum(pool.map(lambda share, part: share.T @ part, shares, parts))

    return LinearOperator(
        matrix.shape,
        matvec=product,
        rmatvec=transposed_product,
        matmat=product,
        rmatmat=transposed_product,
        dtype=np.float32,
    )


def _rows(matrix: sparse.csr_array, first: int, end: int) -> sparse.csr_array:
    """Rows of a matrix, without a copy of its values."""
    entries = slice(matrix.indptr[first], matrix.indptr[end])
    starts = matrix.indptr[first : end + 1] - matrix.indptr[first]
    return sparse.csr_array((matrix.data[entries], matrix.indices[entries], starts), (end - first, matrix.shape[1]))


def leading(matrix: Tensor, count: int) -> Tensor:
    """The leading right singular vectors of a wide matrix [k, n]: float32 [n, count], zeros where it has fewer."""
    matrix = matrix.double()  # squares of singular values differ too much for float32
    squares, vectors = torch.linalg.eigh(matrix @ matrix.t())
    squares, vectors = squares.flip(0)[:count], vectors.flip(1)[:, :count]
    kept = squares > 1e-10 * squares[0]
    directions = (matrix.t() @ (vectors[:, kept] / squares[kept].sqrt())).float()
    return torch.nn.functional.pad(directions, (0, count - directions.size(1)))
