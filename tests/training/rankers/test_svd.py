"""The truncated decomposition against LAPACK's, and products in threads against plain ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import sparse
from scipy.sparse.linalg import aslinearoperator

from training.rankers.svd import in_threads, truncated_svd


@pytest.fixture(scope="module")
def matrix() -> sparse.csr_array:
    """300 x 200 with 8 strong directions in noise."""
    rng = np.random.default_rng(0)
    low = rng.standard_normal((300, 8)) * np.geomspace(8, 1, 8) @ rng.standard_normal((8, 200))
    rated = rng.random((300, 200)) < 0.3
    return sparse.csr_array((rated * (low + 0.1 * rng.standard_normal((300, 200)))).astype(np.float32))


def test_it_finds_the_leading_singular_vectors(matrix: sparse.csr_array) -> None:
    _, expected, vectors = np.linalg.svd(matrix.toarray())
    singular, right = truncated_svd(in_threads(matrix), 20)
    assert singular == pytest.approx(expected[:20], rel=1e-2)
    assert right.T @ right == pytest.approx(np.eye(20), abs=1e-5)
    assert np.abs(np.diag(vectors[:8] @ right[:, :8])) == pytest.approx(np.ones(8), abs=1e-3)


def test_all_of_a_small_matrix_is_exact(matrix: sparse.csr_array) -> None:
    small = matrix[:, :40]
    singular, right = truncated_svd(aslinearoperator(small), 100)
    assert singular == pytest.approx(np.linalg.svd(small.toarray())[1], rel=1e-3)
    assert (right * singular**2) @ right.T == pytest.approx((small.T @ small).toarray(), rel=1e-4, abs=0.1)


@pytest.mark.parametrize("rank", [50, 90, 140])
def test_a_matrix_with_few_rows_is_exact_too(matrix: sparse.csr_array, rank: int) -> None:
    """The space is then exhausted, all of it or all but a part of a block, before the basis is as long as asked for."""
    wide = sparse.csr_array(sparse.vstack([matrix[:97], matrix[:20]]))
    _, expected, vectors = np.linalg.svd(wide.toarray())
    singular, right = truncated_svd(in_threads(wide), rank)
    assert singular == pytest.approx(expected[: min(rank, 97)], rel=1e-4)
    assert right.T @ right == pytest.approx(np.eye(len(singular)), abs=1e-5)
    assert np.square(vectors[:30] @ right[:, :30]).sum() == pytest.approx(30, rel=1e-4)


def test_a_matrix_of_lower_rank_has_no_more_vectors(matrix: sparse.csr_array) -> None:
    repeated = sparse.hstack([matrix[:, :10]] * 6, format="csr")
    singular, right = truncated_svd(in_threads(repeated), 50)
    assert singular.shape == (10,)
    assert right.shape == (60, 10)


def test_the_seed_decides(matrix: sparse.csr_array) -> None:
    first, again = (truncated_svd(in_threads(matrix), 12, seed=3)[1] for _ in range(2))
    assert (first == again).all()


@pytest.mark.parametrize("threads", [1, 3])
def test_products_in_threads_are_those_of_the_matrix(matrix: sparse.csr_array, threads: int, monkeypatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    shared = in_threads(matrix)
    rng = np.random.default_rng(1)
    for length in ((), (5,)):
        block, users = rng.standard_normal((200, *length), np.float32), rng.standard_normal((300, *length), np.float32)
        assert shared @ block == pytest.approx(matrix @ block, rel=1e-4, abs=1e-3)
        assert shared.H @ users == pytest.approx(matrix.T @ users, rel=1e-4, abs=1e-3)
