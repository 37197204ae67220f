"""The place of a movie that nobody has rated: what its side features promise.

What is known of movies is regressed on their side features: ridge regression, relative to the average movie. Movies
without ratings take part as they are, with nothing: where most of a catalogue was never chosen, a new movie promises
less. A movie without ratings then gets its prediction, which is the mean of its group, shrunk to that of all.

Where lists follow a trend, a movie takes part with the share of its rows that are of late (``trend.share_of_late``):
most stories of a news site are old and nearly out of its lists, and a new one is like the other new ones.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from scipy import sparse

from handlers.recommender.model.list_ranker import ListRanker

from ..interactions import Interactions, SideData, feature_matrix

FEATURE_RIDGE = 20.0  # a group of movies counts as if it had so many more average movies
MOST_STEPS, TOLERANCE = 100, 1e-8
MOST_NUMBERS = 1 << 24  # movies or values of features, times columns: those solved together, 128 MiB a table of float64


def with_unrated(ranker: ListRanker, train: Interactions, shares: np.ndarray | None = None) -> ListRanker:
    """The ranker in which a movie that nobody has rated has the vector that its features promise.

    The same one where all movies are rated, or movies have no side features. ``shares`` [movies]: how much each takes
    part; all the same where nothing is given.
    """
    unrated = np.bincount(train.movie_rows, minlength=train.shape[1]) == 0
    unrated[0] = False
    if not unrated.any() or not train.movies.schema.fields:
        return ranker
    rows = np.flatnonzero(unrated)
    items = ranker.items.clone()
    items[torch.from_numpy(rows)] = torch.from_numpy(by_features(train.movies, ranker.items.numpy(), shares)[rows])
    return dataclasses.replace(ranker, items=items)


def by_features(movies: SideData, values: np.ndarray, shares: np.ndarray | None = None) -> np.ndarray:
    """What the side features say of ``values`` [movies, D], whose row 0 is no movie: the same shape and dtype.

    ``shares`` [movies], 0 or more: how much each movie counts.
    """
    features = feature_matrix(movies).astype(np.float64)[1:]
    shares = np.ones(len(values) - 1) if shares is None or not shares[1:].any() else shares[1:]
    counted = sparse.diags_array(shares) @ features
    gram, ridge = (features.T @ counted).tocsr(), FEATURE_RIDGE * shares.mean()
    predicted = np.zeros_like(values)
    width = max(1, MOST_NUMBERS // max(features.shape))
    for start in range(0, values.shape[1], width):
        some = values[1:, start : start + width]
        average = np.average(some, axis=0, weights=shares)
        centred = counted.T @ (some - average)
        predicted[1:, start : start + width] = average + features @ solved(gram, centred, ridge)
    return predicted


def solved(matrix: sparse.csr_array, right: np.ndarray, ridge: float | np.ndarray) -> np.ndarray:
    """``(matrix + ridge I)^-1 right`` [n, D] of a sparse Gram matrix, by conjugate gradients, all columns at once.

    ``ridge``: one, or one for each column [D]. A factorization would fill the matrix: a feature may have as many values
    as there are artists. The preconditioner is the diagonal.
    """
    scale = 1 / (matrix.diagonal()[:, None] + ridge)
    found, rest = np.zeros_like(right), right.copy()
    direction = scale * rest
    size = np.einsum("nd,nd->d", rest, direction)
    enough = TOLERANCE**2 * size
    for _ in range(MOST_STEPS):
        if (size <= enough).all():
            break
        product = matrix @ direction + ridge * direction
        step = size / np.maximum(np.einsum("nd,nd->d", direction, product), np.finfo(float).tiny)
        found += step * direction
        rest -= step * product
        before, ahead = size, scale * rest
        size = np.einsum("nd,nd->d", rest, ahead)
        direction = ahead + size / np.maximum(before, np.finfo(float).tiny) * direction
    return found
