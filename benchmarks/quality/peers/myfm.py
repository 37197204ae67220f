"""myFM: factorization machines by Gibbs sampling, with the features of its own MovieLens examples.

A user's block has the user's id, then who they are by what they rated (1 / sqrt(n) for each of n movies), then side
features; a movie's block likewise. Every kind of feature is a group with a prior of its own.
"""

from __future__ import annotations

from itertools import pairwise

import myfm
import numpy as np
from scipy import sparse

from training.dataset import Dataset, SideData

from ..grids import Settings
from . import Predict


def fit(dataset: Dataset, index: np.ndarray, settings: Settings, seed: int) -> Predict:
    """A machine fitted to the rows ``index``; the settings' ``blocks`` say what it knows of users and movies."""
    shape = len(dataset.users.vocabulary), len(dataset.movies.vocabulary)
    users, movies = dataset.user_rows[index], dataset.movie_rows[index]
    rated = sparse.csr_matrix((np.ones(len(index)), (users, movies)), shape)
    sides = [_blocks(dataset.users, rated, settings["blocks"]), _blocks(dataset.movies, rated.T, settings["blocks"])]
    sizes = [block.shape[1] for side in sides for block in side]
    tables = [sparse.hstack(side, format="csr") for side in sides]

    def related(rows: Dataset) -> list[myfm.RelationBlock]:
        maps = rows.user_rows, rows.movie_rows
        return [myfm.RelationBlock(of, table) for of, table in zip(maps, tables, strict=True)]

    levels, labels = np.unique(dataset.ratings[index], return_inverse=True)
    ordinal = settings.get("ordinal", False)
    kind = myfm.MyFMOrderedProbit if ordinal else myfm.MyFMRegressor
    model = kind(rank=settings["rank"], random_seed=seed)
    model.fit(
        None,
        labels if ordinal else dataset.ratings[index].astype(np.float64),
        X_rel=related(dataset.take(index)),
        grouping=np.repeat(np.arange(len(sizes)), sizes).tolist(),
        n_iter=settings["sweeps"],
        n_kept_samples=settings["sweeps"],
    )

    def predict(held_out: Dataset) -> np.ndarray:
        if ordinal:
            return model.predict_proba(None, related(held_out)) @ levels
        return model.predict(None, related(held_out))

    return predict


def _blocks(side: SideData, rated: sparse.csr_matrix, what: str) -> list[sparse.csr_matrix]:
    """Feature matrices [entities, features], a group each; ``rated`` [entities, the other side's]."""
    blocks = [sparse.identity(len(side.vocabulary), format="csr")]
    if what == "ids":
        return blocks
    counts = np.maximum(np.asarray(rated.sum(axis=1)).ravel(), 1)
    blocks.append(sparse.diags(1 / np.sqrt(counts)) @ rated)
    if what == "features":
        rows = np.repeat(np.arange(len(side.features)), side.features.shape[1])
        shape = (len(side.features), side.schema.size)
        known = sparse.csc_matrix((side.weights.ravel().astype(float), (rows, side.features.ravel())), shape)
        ends = [field.offset for field in side.schema.fields] + [side.schema.size]
        blocks += [known[:, first:last] for first, last in pairwise(ends)]
    return blocks
