"""myFM: factorization machines by Gibbs sampling, with the features of its own MovieLens examples.

A user's block has the user's id, then who they are by what they rated (1 / sqrt(n) for each of n movies), then side
features; a movie's block likewise. Every kind of feature is a group with a prior of its own.
"""

from __future__ import annotations

from itertools import pairwise

import myfm
import numpy as np
from scipy import sparse

from training.estimators import Recommender
from training.interactions import Interactions, SideData, feature_matrix


class MyFM(Recommender):
    """``blocks``: what it knows of users and movies: "ids", "histories" (and ids) or "features" (and both).

    ``rank``: length of the vectors. ``ordinal``: ratings are ordered levels.
    """

    def __init__(
        self, rank: int = 10, sweeps: int = 512, blocks: str = "ids", ordinal: bool = False, seed: int = 0
    ) -> None:
        self.sweeps, self.blocks, self.ordinal = sweeps, blocks, ordinal
        kind = myfm.MyFMOrderedProbit if ordinal else myfm.MyFMRegressor
        self.model = kind(rank=rank, random_seed=seed)

    def _fit(self, train: Interactions, validation: Interactions | None) -> None:
        rated = sparse.csr_matrix((np.ones(len(train)), (train.user_rows, train.movie_rows)), train.shape)
        sides = [_blocks(train.users, rated, self.blocks), _blocks(train.movies, rated.T, self.blocks)]
        sizes = [block.shape[1] for side in sides for block in side]
        self.tables = [sparse.hstack(side, format="csr") for side in sides]
        self.levels, labels = np.unique(train.ratings, return_inverse=True)
        self.model.fit(
            None,
            labels if self.ordinal else train.ratings.astype(np.float64),
            X_rel=self._related(train.user_rows, train.movie_rows),
            grouping=np.repeat(np.arange(len(sizes)), sizes).tolist(),
            n_iter=self.sweeps,
            n_kept_samples=self.sweeps,
        )

    def predict_rows(self, users: np.ndarray, movies: np.ndarray, timestamps: np.ndarray | None = None) -> np.ndarray:
        """Predicted ratings, not clipped: float32 [n]."""
        related = self._related(users, movies)
        if self.ordinal:
            return (self.model.predict_proba(None, related) @ self.levels).astype(np.float32)
        return self.model.predict(None, related).astype(np.float32)

    def _related(self, users: np.ndarray, movies: np.ndarray) -> list[myfm.RelationBlock]:
        return [myfm.RelationBlock(rows, table) for rows, table in zip((users, movies), self.tables, strict=True)]


def _blocks(side: SideData, rated: sparse.csr_matrix, what: str) -> list[sparse.csr_matrix]:
    """Feature matrices [entities, features], a group each; ``rated`` [entities, the other side's]."""
    blocks = [sparse.identity(len(side.vocabulary), format="csr")]
    if what == "ids":
        return blocks
    counts = np.maximum(np.asarray(rated.sum(axis=1)).ravel(), 1)
    blocks.append(sparse.diags(1 / np.sqrt(counts)) @ rated)
    if what == "features":
        known = sparse.csc_matrix(feature_matrix(side).astype(float))
        ends = [field.offset for field in side.schema.fields] + [side.schema.size]
        blocks += [known[:, first:last] for first, last in pairwise(ends)]
    return blocks
