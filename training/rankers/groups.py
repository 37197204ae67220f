"""What is true of everybody, and of groups of users, in lists: the part of a ranker that needs no ratings of a user.

A group is the users with one value of a side feature. How its users choose movies, beside the average user, is a ridge
regression on the side features. Most pairs of group and movie have few ratings, so this effect is shrunk towards what
the movies' side features say of the group: an effect that is proportional to the average, with a factor for each value
of a feature of the movies. What is left is shrunk to zero, by how far it goes beyond the noise of counts: a gamma prior
of Poisson rates, whose variance the moments of all pairs give (Clayton and Kaldor, "Empirical Bayes estimates of
age-standardized relative risks", Biometrics 1987).
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from ..interactions import SideData, feature_matrix
from .unrated import solved

LEAST_FACTOR = 0.1  # of a group's expected rate beside the average: a ridge regression may reach below 0
FEATURE_RIDGE = 20.0  # a group of users counts as if it had so many more users, and ratings, of average taste


def of_groups(users: SideData, movies: SideData, rated: sparse.csr_array, kept: np.ndarray) -> np.ndarray:
    """What movies weigh in the average user, and how groups differ from it: float32 [1 + feature values, kept].

    ``rated`` float32 [users, kept]: what each rating weighs. ``kept``: the movies' rows.
    """
    values, present = feature_matrix(users), np.diff(rated.indptr) > 0
    values.data *= np.repeat(present, np.diff(values.indptr))
    average = np.bincount(rated.indices, rated.data, rated.shape[1]) / present.sum()
    sizes = values.sum(axis=0)
    centred = (values.T @ rated).toarray() - np.outer(sizes, average)
    effects = np.linalg.solve((values.T @ values).toarray() + FEATURE_RIDGE * np.eye(len(sizes)), centred)
    if sizes.any():
        some, noise = sizes > 0, np.square(rated.data).sum() / rated.data.sum()
        effects[some] = shrunk(effects[some], average, sizes[some], feature_matrix(movies)[kept], noise)
    return np.concatenate([average[None], effects]).astype(np.float32)


def shrunk(
    effects: np.ndarray, average: np.ndarray, sizes: np.ndarray, features: sparse.csr_array, noise: float
) -> np.ndarray:
    """The ``effects`` [groups, movies] of groups of so many users (``sizes``), without most of their noise.

    ``average`` [movies]: what movies weigh in the average user. ``features`` [movies, values]: of the movies.
    ``noise``: the variance of a sum of weights beside its expectation, 1 where each rating weighs 1.
    """
    average = np.maximum(average, np.finfo(np.float32).tiny)
    normal = features.T @ sparse.diags_array(average) @ features
    factors = solved(normal.tocsr(), features.T @ effects.T, FEATURE_RIDGE / sizes)  # [values, groups]
    expected = average * (features @ factors).T
    rest, rates = effects - expected, np.maximum(average + expected, LEAST_FACTOR * average)
    weights = sizes[:, None] * rates  # of all ratings of a group, as expected
    chi_square = (rest**2 * sizes[:, None] / rates).sum()
    variance = max(chi_square - noise * rest.size, 0) / weights.sum()  # of true rates beside the expected ones
    return expected + rest * (weights * variance / (noise + weights * variance))
