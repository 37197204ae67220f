"""What groups of users choose: planted rates, seen through few ratings."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from handlers.recommender.model.features import FeatureSchema
from training.data.shop import generate
from training.interactions import SideData, encode
from training.rankers.groups import FEATURE_RIDGE, of_groups, shrunk

SIZES = np.array([400.0, 900.0, 1500.0])


def drawn(seed: int, own: float) -> tuple[np.ndarray, ...]:
    """Effects of groups as counted and as planted [groups, movies], the average [movies], and features.

    A group's rate is the average times a factor for the movie's category, times the movie's own (deviation ``own``).
    """
    rng = np.random.default_rng(seed)
    average = rng.lognormal(-5, 1, 2000)
    category = rng.integers(0, 8, 2000)
    factors = rng.lognormal(0, 0.5, (3, 8))[:, category] * rng.lognormal(0, own, (3, 2000))
    rates = average * factors
    counts = rng.poisson(SIZES[:, None] * rates)
    return counts / SIZES[:, None] - average, rates - average, average, sparse.csr_array(np.eye(8)[category])


def error(found: np.ndarray, planted: np.ndarray, average: np.ndarray) -> float:
    """The squared error of relative rates, each movie by how often it is chosen."""
    return float(((found - planted) ** 2 / average).sum())


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("own", "most"), [(0.0, 0.05), (0.5, 0.8)])
def test_most_of_the_noise_goes_and_what_is_a_movies_own_stays(seed: int, own: float, most: float) -> None:
    """Of all noise of counts where features say all, and of some of it where they do not."""
    counted, planted, average, features = drawn(seed, own)
    of_all = error(counted, planted, average)
    of_features = error(shrunk(counted, average, SIZES, features, noise=1e9), planted, average)
    found = error(shrunk(counted, average, SIZES, features, noise=1.0), planted, average)
    assert found < most * of_all
    assert found < of_features * 1.1
    if own:
        assert found < 0.8 * of_features


def test_factors_are_those_of_a_dense_regression() -> None:
    """With noise that hides all else, an effect is the average times the factors of a weighted ridge regression."""
    counted, _, average, features = drawn(0, 0.3)
    found = shrunk(counted, average, SIZES, features, noise=1e12)
    x, weights = features.toarray(), average[:, None]
    for group, size in enumerate(SIZES):
        normal = x.T @ (weights * x) + FEATURE_RIDGE / size * np.eye(8)
        factors = np.linalg.solve(normal, x.T @ (weights[:, 0] * (counted[group] / average)))
        np.testing.assert_allclose(found[group], average * (x @ factors), atol=1e-9)


def test_without_features_of_movies_effects_are_shrunk_to_none_and_without_those_of_users_there_are_none() -> None:
    rows = encode(generate(customers=400, products=40, purchases=4_000).log, True)
    kept = np.flatnonzero(np.bincount(rows.movie_rows, minlength=rows.shape[1]))
    rated = rows.pairs[:, kept].astype(np.float32)
    with_all = of_groups(rows.users, rows.movies, rated, kept)
    of_users = of_groups(rows.users, without_features(rows.movies), rated, kept)
    assert with_all.shape == of_users.shape == (1 + rows.users.schema.size, len(kept))
    np.testing.assert_array_equal(with_all[0], of_users[0])
    assert 0 < np.abs(of_users[1:]).sum() < np.abs(with_all[1:]).sum()
    alone = of_groups(without_features(rows.users), rows.movies, rated, kept)
    np.testing.assert_allclose(alone[0], rated.sum(axis=0) / len(np.unique(rows.user_rows)), rtol=1e-5)
    assert not alone[1:].any()


def without_features(side: SideData) -> SideData:
    nothing = np.zeros((len(side.vocabulary), 0), np.float32)
    return SideData(side.vocabulary, FeatureSchema(), nothing.astype(np.int64), nothing)
