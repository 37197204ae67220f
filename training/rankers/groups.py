"""What is true of everybody, and of groups of users, in lists: the part of a ranker that needs no ratings of a user.

A group is the users with one value of a side feature. How its users choose movies, beside the average user, is a ridge
regression on the side features. Most pairs of group and movie have few ratings, so this effect is shrunk: first what it
is for each value of a feature of the movies, over all of these movies, to nothing; then what it is for each movie to
what the movie's features say. How far, depends on how much the effects differ beyond their noise (the moments of
DerSimonian and Laird, "Meta-analysis in clinical trials", Controlled Clinical Trials 1986). The noise is measured by
how much users differ, as a few users can have most ratings of a group.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from ..interactions import SideData, feature_matrix
from .unrated import solved

MOST_GROUPS = 64  # whose lists the ranker's columns have to fit
FEATURE_RIDGE = 20.0  # a group of users counts as if it had so many more users of average taste
FEATURES_RIDGE = 1e-3  # beside what a feature of movies weighs: two features may say the same


def of_groups(users: SideData, movies: SideData, rated: sparse.csr_array, kept: np.ndarray) -> np.ndarray:
    """What movies weigh in the average user, and how groups differ from it: float32 [1 + feature values, kept].

    ``rated`` float32 [users, kept]: what each rating weighs. ``kept``: the movies' rows.
    """
    rated, values = rated.astype(np.float64), feature_matrix(users).astype(np.float64)
    present = np.diff(rated.indptr) > 0
    values.data *= np.repeat(present, np.diff(values.indptr))
    average = rated.sum(axis=0) / present.sum()
    found = np.zeros((1 + values.shape[1], len(kept)), np.float32)
    found[0] = average
    some = np.flatnonzero(values.sum(axis=0))
    if len(some):
        found[1 + some] = _effects(values[:, some], feature_matrix(movies)[kept].astype(np.float64), rated, average)
    return found


def _effects(
    values: sparse.csr_array, features: sparse.csr_array, rated: sparse.csr_array, average: np.ndarray
) -> np.ndarray:
    """How groups differ from the average user, for users as active as that: [groups, kept].

    ``values`` [users, groups], ``features`` [kept, values], ``average`` [kept].
    """
    normal = (values.T @ values).toarray()
    inverse = np.linalg.inv(normal + FEATURE_RIDGE * np.eye(len(normal)))
    # Of an effect: which part the regression finds, and the variance of its noise where a user's is 1.
    part, noise = np.diag(inverse @ normal), np.diag(inverse @ normal @ inverse)
    activity = rated.sum(axis=1) / average.sum()  # beside the average user
    effects = inverse @ ((values.T @ rated).toarray() - np.outer(values.T @ activity, average))
    expected = np.zeros_like(effects)
    if features.nnz:
        in_features, total = rated @ features, features.T @ average  # [users, values], [values]
        spread = _mean_square(in_features, activity) - 2 * total * (activity @ in_features) / np.count_nonzero(activity)
        spread += total**2 * np.square(activity).sum() / np.count_nonzero(activity)
        of_features = shrunk(effects @ features, total, spread, part, noise)
        gram = (features.T @ sparse.diags_array(average) @ features).tocsr()
        factors = solved(gram, of_features.T, FEATURES_RIDGE * gram.diagonal().mean())  # [values, groups]
        expected = average * (features @ factors).T
    spread = _mean_square(rated, activity) - average**2
    return expected + shrunk(effects - expected, average, spread, part, noise)


def _mean_square(table: sparse.csr_array, activity: np.ndarray) -> np.ndarray:
    """Of the columns of a table [users, n], over active users: [n]."""
    return table.power(2).sum(axis=0) / np.count_nonzero(activity)


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
    surplus = (effects**2 / of_noise - 1).sum()
    variance = max(surplus, 0) / max((of_truth / of_noise).sum(), np.finfo(np.float32).tiny)
    return effects * (variance * found * average / (variance * of_truth + of_noise))  # the posterior mean


def as_new(groups: np.ndarray, users: SideData, present: np.ndarray) -> np.ndarray:
    """Rows float32 [n, kept] whose squares sum up to about those of what all users would get if they were new.

    ``groups``: of ``of_groups``. ``present`` bool [users]: who has ratings. Of very many groups only those that count
    most.
    """
    sizes = np.append(present.sum(), (feature_matrix(users).T @ present.astype(np.float32)))
    rows = groups * np.sqrt(sizes, dtype=np.float32)[:, None]
    if len(rows) > MOST_GROUPS:
        rows = rows[np.sort(np.argsort(-np.square(rows).sum(axis=1), kind="stable")[:MOST_GROUPS])]
    return rows
