"""The average of posterior samples as one factorization.

An average of S factorizations is one factorization: concatenate their vectors, each scaled by 1 / sqrt(S). The long
vectors are then cut to the directions that matter.
"""

from __future__ import annotations

import numpy as np

from .gibbs import Sample

WORKING_COLUMNS = 256  # columns that are kept between samples, at least
SAMPLED_COLUMNS = 512  # beside them, until the next cut


class Average:
    """The running sum of factorizations, kept as factors that are cut to ``n_factors`` columns or a few hundred more.

    A cut changes the scores of the ``users`` and ``movies`` (rows with ratings) least.
    """

    def __init__(self, n_factors: int, users: np.ndarray, movies: np.ndarray) -> None:
        self.n_factors, self.rated = n_factors, (users, movies)
        self.working_columns = max(n_factors, WORKING_COLUMNS)
        self.count = 0
        self.left: list[np.ndarray] = []  # [users + user feature rows, columns]
        self.right: list[np.ndarray] = []  # [movies + movie feature rows, columns]
        self.biases = [0.0, 0.0]

    def add(self, sample: Sample) -> None:
        """Add one factorization."""
        left = np.concatenate([sample.users, sample.user_features])
        right = np.concatenate([sample.movies, sample.movie_features])
        self.left.append(left[:, :-1])
        self.right.append(right[:, :-1])
        self.biases = [self.biases[0] + left[:, -1], self.biases[1] + right[:, -1]]
        self.count += 1
        if sum(part.shape[1] for part in self.left) > self.working_columns + SAMPLED_COLUMNS:
            self._cut(self.working_columns)

    def embeddings(self) -> tuple[np.ndarray, np.ndarray]:
        """The average, cut to ``n_factors``: [users + user feature rows, n_factors + 1], the same for movies."""
        self._cut(self.n_factors)
        scale = np.sqrt(self.count)
        return tuple(
            np.column_stack([vectors[0] / scale, biases / self.count])
            for vectors, biases in ((self.left, self.biases[0]), (self.right, self.biases[1]))
        )

    def _cut(self, n_factors: int) -> None:
        left, right = np.concatenate(self.left, axis=1), np.concatenate(self.right, axis=1)
        users, movies = self.rated
        to_left, to_right = balanced(left[users], right[movies], n_factors)
        self.left, self.right = [left @ to_left], [right @ to_right]


def balanced(left: np.ndarray, right: np.ndarray, n_factors: int) -> tuple[np.ndarray, np.ndarray]:
    """Projections P, Q [D, n_factors] such that ``(left P) (right Q)^T`` is the best approximation of ``left right^T``.

    It is the truncated singular value decomposition of the product (Eckart and Young, 1936), found without forming
    it, from the two Gram matrices; as projections it also applies to rows that were not part of it.
    """
    left_root, right_root = _root(left), _root(right)
    first, singular, second = np.linalg.svd(left_root.T @ right_root)
    keep = min(n_factors, int((singular > 1e-9 * singular[0]).sum()))
    scale = 1 / np.sqrt(singular[:keep])
    to_left, to_right = right_root @ second[:keep].T * scale, left_root @ first[:, :keep] * scale
    padding = ((0, 0), (0, n_factors - keep))
    return np.pad(to_left, padding), np.pad(to_right, padding)


def _root(rows: np.ndarray) -> np.ndarray:
    """R [D, D] with ``R R^T = rows^T rows``."""
    values, vectors = np.linalg.eigh(rows.T @ rows)
    return vectors * np.sqrt(np.clip(values, 0, None))
