"""The average of posterior samples as one factorization.

An average of S factorizations is one factorization: concatenate their vectors, each scaled by 1 / sqrt(S). The long
vectors are then cut to the directions that matter.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .gibbs import Sample

WORKING_COLUMNS = 128  # columns that are kept between samples, at least
SAMPLED_COLUMNS = 256  # beside them, until the next cut
ROWS_AT_A_TIME = 8192


class Average:
    """The running sum of factorizations, kept as factors that are cut to ``n_factors`` columns or a few hundred more.

    A cut changes the scores of the ``users`` and ``movies`` (int64 rows with ratings) least.
    """

    def __init__(self, n_factors: int, users: Tensor, movies: Tensor) -> None:
        self.n_factors, self.rated = n_factors, (users, movies)
        self.working_columns = max(n_factors, WORKING_COLUMNS)
        self.count = self.columns = 0
        self.factors: list[Tensor] = []  # of both sides: float32 [entities + feature rows, columns and room for more]
        self.biases: list[Tensor] = []  # float64 [entities + feature rows]

    def add(self, sample: Sample) -> None:
        """Add one factorization."""
        sides = [torch.cat([sample.users, sample.user_features]), torch.cat([sample.movies, sample.movie_features])]
        D = sides[0].shape[1] - 1
        if not self.factors:
            room = self.working_columns + max(SAMPLED_COLUMNS, D)
            self.factors = [side.new_zeros(len(side), room) for side in sides]
            self.biases = [side.new_zeros(len(side), dtype=torch.float64) for side in sides]
        if self.columns + D > self.factors[0].shape[1]:
            self._cut(self.working_columns)
        for factors, biases, side in zip(self.factors, self.biases, sides, strict=True):
            factors[:, self.columns : self.columns + D] = side[:, :-1]
            biases += side[:, -1]
        self.columns += D
        self.count += 1

    def embeddings(self) -> tuple[Tensor, Tensor]:
        """The average, cut to ``n_factors``: float32 [users + feature rows, n_factors + 1], the same for movies."""
        self._cut(self.n_factors)
        scale = math.sqrt(self.count)
        return tuple(
            torch.cat([factors[:, : self.n_factors] / scale, (biases / self.count).float()[:, None]], dim=1)
            for factors, biases in zip(self.factors, self.biases, strict=True)
        )

    def _cut(self, n_factors: int) -> None:
        grams = [_gram(side[:, : self.columns], rated) for side, rated in zip(self.factors, self.rated, strict=True)]
        for factors, projection in zip(self.factors, balanced(*grams, n_factors), strict=True):
            for rows in factors.split(ROWS_AT_A_TIME):  # in place, as both copies would be large
                rows[:, :n_factors] = rows[:, : self.columns] @ projection.to(rows.dtype)
        self.columns = n_factors


def balanced(left_gram: Tensor, right_gram: Tensor, n_factors: int) -> tuple[Tensor, Tensor]:
    """Projections P, Q [D, n_factors] such that ``(left P) (right Q)^T`` is the best approximation of ``left right^T``.

    It is the truncated singular value decomposition of the product (Eckart and Young, 1936), found without forming
    it, from the two Gram matrices float64 [D, D]; as projections it also applies to rows that were not part of it.
    """
    left_root, right_root = _root(left_gram), _root(right_gram)
    first, singular, second = torch.linalg.svd(left_root.T @ right_root)
    keep = min(n_factors, int((singular > 1e-9 * singular[0]).sum()))
    scale = singular[:keep].rsqrt()
    to_left, to_right = right_root @ second[:keep].T * scale, left_root @ first[:, :keep] * scale
    padding = (0, n_factors - keep)
    return torch.nn.functional.pad(to_left, padding), torch.nn.functional.pad(to_right, padding)


def _gram(factors: Tensor, rows: Tensor) -> Tensor:
    """Sums of the products of the columns over some ``rows``: float64 [D, D]."""
    gram = factors.new_zeros(factors.shape[1], factors.shape[1], dtype=torch.float64)
    for part in rows.split(ROWS_AT_A_TIME):
        values = factors[part]
        gram += values.T @ values  # float32 within a part, where rounding stays below that of the factors
    return gram


def _root(gram: Tensor) -> Tensor:
    """R [D, D] with ``R R^T = gram``."""
    values, vectors = torch.linalg.eigh(gram)
    return vectors * values.clamp(min=0).sqrt()
