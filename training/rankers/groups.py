"""What is true of everybody, and of groups of users, in lists: the part of a ranker that needs no ratings of a user.

A group is the users with one value of a side feature. How its users choose movies, beside the average user, is a ridge
regression on the side features. Most pairs of group and movie have few ratings, so this effect is shrunk: first what it
is for each value of a feature of the movies, over all of these movies, to nothing; then what it is for each movie to
what the movie's features say. How far, depends on how much the effects differ beyond their noise (Paule and Mandel,
"Consensus values and weighting factors", Journal of Research of the National Bureau of Standards 1982). The noise is
measured by how much users differ, as a few users can have most ratings of a group.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy import sparse

from ..interactions import SideData, feature_matrix
from .unrated import solved

MOST_GROUPS = 64  # whose lists the ranker's columns have to fit
MOST_NUMBERS = 1 << 23  # groups times movies: 64 MiB in float64, and up to ten such tables are held at once
FEATURE_RIDGE = 20.0  # a group of users counts as if it had so many more users of average taste
MOST_STEPS = 50  # of a search that takes ten or so
FEATURES_RIDGE = 1e-3  # beside what a feature of movies weighs: two features may say the same


class Groups(NamedTuple):
    """What movies weigh in the average user, and how groups differ from it.

    ``weights`` float32 [1 + groups, kept]. ``rows`` int64 [1 + groups]: whose row of ``ListRanker.cold_start`` each is;
    0, the average user's, comes first.
    """

    rows: np.ndarray
    weights: np.ndarray


def of_groups(users: SideData, movies: SideData, rated: sparse.csr_array, kept: np.ndarray) -> Groups:
    """The groups of a log: of a feature with very many values, as cities have, only those that have most users.

    ``rated`` float32 [users, kept]: what each rating weighs. ``kept``: the movies' rows.
    """
    values, present = feature_matrix(users), np.diff(rated.indptr) > 0
    values.data *= np.repeat(present, np.diff(values.indptr))
    average = np.bincount(rated.indices, rated.data, rated.shape[1]) / present.sum()
    sizes = values.sum(axis=0)
    most = min(math.isqrt(MOST_NUMBERS), max(MOST_GROUPS, MOST_NUMBERS // max(len(kept), movies.schema.size)))
    some = np.sort(np.argsort(-sizes, kind="stable")[: min(most, np.count_nonzero(sizes))])
    weights = np.empty((1 + len(some), len(kept)), np.float32)
    weights[0] = average
    if len(some):
        weights[1:] = _effects(values[:, some], feature_matrix(movies)[kept], rated, average)
    return Groups(np.append(0, 1 + some), weights)


def _effects(
    values: sparse.csr_array, features: sparse.csr_array, rated: sparse.csr_array, average: np.ndarray
) -> np.ndarray:
    """How groups differ from the average user in what they choose, not in how much: [groups, kept].

    ``values`` [users, groups], ``features`` [kept, values], ``average`` [kept].
    """
    normal = (values.T @ values).toarray()
    inverse = np.linalg.inv(normal + FEATURE_RIDGE * np.eye(len(normal)))
    # Of an effect: which part the regression finds, and the variance of its noise where a user's is 1.
    part, noise = np.diag(inverse @ normal), np.diag(inverse @ normal @ inverse)
    activity, users = rated.sum(axis=1) / average.sum(), np.count_nonzero(np.diff(rated.indptr))
    effects = inverse @ ((values.T @ rated).toarray() - np.outer(values.T @ activity, average))
    expected = np.zeros_like(effects)
    if features.nnz:
        in_features, total = rated @ features, features.T @ average  # [users, values], [values]
        # Of what a user weighs, less what one as active does on average.
        spread = _squares(in_features) - 2 * total * (activity @ in_features) + total**2 * np.square(activity).sum()
        spread /= users
        of_features = shrunk(effects @ features, total, spread, part, noise)
        gram = (features.T @ sparse.diags_array(average) @ features).tocsr()
        factors = solved(gram, of_features.T, FEATURES_RIDGE * gram.diagonal().mean())  # [values, groups]
        expected = average * (features @ factors).T
    spread = _squares(rated) / users - average**2
    return expected + shrunk(effects - expected, average, spread, part, noise)


def _squares(table: sparse.csr_array) -> np.ndarray:
    """The sums of squares of the columns of a table [users, n]: [n]."""
    return np.bincount(table.indices, np.square(table.data), table.shape[1])


def shrunk(
    effects: np.ndarray, average: np.ndarray, spread: np.ndarray, part: np.ndarray, noise: np.ndarray
) -> np.ndarray:
    """The true effects that are likely behind the ``effects`` [groups, n] of a regression.

    ``average``, ``spread`` [n]: the mean and the variance of users. ``part``, ``noise`` [groups]: which part of a true
    effect was found, and the variance of its noise where a user's is 1. True effects, beside the average, have the
    same variance for all.
    """
    of_noise = np.outer(noise, np.maximum(spread, np.finfo(np.float32).tiny))
    found = np.outer(part, average)
    of_truth = found**2  # times that variance
    variance = excess(effects**2, of_truth, of_noise)
    return effects * (variance * found * average / (variance * of_truth + of_noise))  # the posterior mean


def excess(squares: np.ndarray, of_truth: np.ndarray, of_noise: np.ndarray) -> float:
    """The variance v >= 0 with ``mean(squares / (v of_truth + of_noise)) = 1``, to three digits; 0 where none is so.

    Each effect counts with its own variance. With weights of its noise alone, as DerSimonian and Laird have them, one
    movie that everybody has would decide for all: it has hardly any noise.
    """
    variance = 0.0
    for _ in range(MOST_STEPS):  # Newton's, to the root of 1 / mean - 1: it is concave, so each step stays below
        expected = variance * of_truth + of_noise
        ratios = squares / expected
        mean = ratios.mean()
        if mean <= 1:
            break
        step = mean * (mean - 1) / (ratios * of_truth / expected).mean()
        variance += step
        if step <= 1e-3 * variance:
            break
    return variance


def beside_ratings(groups: Groups, users: SideData, sizes: np.ndarray, strength: float) -> np.ndarray:
    """Rows float32 [n, kept] whose squares sum up to about those of what all users get beside what their ratings say.

    ``sizes`` [users]: of how many ratings, ``strength`` of which halve what they get (``ListRanker``). Of very many
    groups only those that count most. No rows where there are no groups: what is true of everybody needs none, as the
    first column of a ranker is much like it.
    """
    if not groups.weights[1:].any():
        return groups.weights[:0]
    shares = np.where(sizes > 0, (1 + sizes / strength) ** -2.0, 0).astype(np.float32)
    of_rows = np.append(shares.sum(), feature_matrix(users).T @ shares)
    rows = groups.weights * np.sqrt(of_rows[groups.rows])[:, None]
    if len(rows) > MOST_GROUPS:
        rows = rows[np.sort(np.argsort(-np.square(rows).sum(axis=1), kind="stable")[:MOST_GROUPS])]
    return rows.astype(np.float32)
