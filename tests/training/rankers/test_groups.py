"""What groups of users choose: planted rates, seen through few ratings."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import brentq

from handlers.recommender.model.features import FeatureSchema
from training.data.shop import Shop, generate
from training.interactions import Interactions, SideData, encode
from training.rankers import groups
from training.rankers.groups import MOST_GROUPS, Groups, beside_ratings, excess, of_groups, shrunk


class Planted:
    """A shop whose log is drawn anew: each customer has each product with a rate that is known.

    It is the segment's rate of the category and the product's popularity, times the segment's own factor for the
    product (the deviation of its logarithm is ``own``) and the customer's activity.
    """

    def __init__(self, seed: int, own: float = 0.0, strength: float = 0.7) -> None:
        self.shop: Shop = generate(seed, customers=4_000, products=400, purchases=100, strength=strength)
        self.rows: Interactions = encode(self.shop.log, True)
        rng = np.random.default_rng(seed)
        customers, products = (self._positions(side) for side in (self.rows.users, self.rows.movies))
        self.segments = self.shop.segment[customers]
        rates = self.shop.rule(np.unique(self.shop.segment, return_index=True)[1])[:, products]
        rates *= rng.lognormal(0, own, rates.shape)
        self.rates = rates / rates.sum(axis=1, keepdims=True)  # [segments, products]
        activity = 4 * rng.lognormal(0, 0.5, len(customers))
        chosen = rng.random((len(customers), len(products))) < activity[:, None] * self.rates[self.segments]
        self.rated = sparse.csr_array(np.concatenate([np.zeros((1, len(products))), chosen]).astype(np.float32))
        self.kept = np.arange(1, 1 + len(products))

    @staticmethod
    def _positions(side: SideData) -> np.ndarray:
        return np.array([int(one.partition("-")[2]) - 1 for one in side.vocabulary.ids[1:]])

    def error(self, groups: Groups) -> float:
        """The squared error of the segments' relative rates, each product by how often it is chosen."""
        found = np.zeros((1 + self.rows.users.schema.size, len(self.kept)))
        found[groups.rows] = groups.weights
        column = dict(zip(self.segments.tolist(), self.rows.users.features[1:, 0].tolist(), strict=True))
        shares = np.array([found[0] + found[1 + column[segment]] for segment in range(len(self.rates))])
        shares /= shares.sum(axis=1, keepdims=True)
        return float(((shares - self.rates) ** 2 / self.rates.mean(axis=0)).sum())


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("own", "most"), [(0.0, 0.3), (0.5, 0.8)])
def test_most_of_the_noise_goes_and_what_is_a_movies_own_stays(monkeypatch, seed: int, own: float, most: float) -> None:
    """Most noise of counts where features say all, and some of it where they do not; that of the average stays."""
    planted = Planted(seed, own)
    sides = planted.rows.users, planted.rows.movies
    found = planted.error(of_groups(*sides, planted.rated, planted.kept))
    of_products = planted.error(of_groups(sides[0], without_features(sides[1]), planted.rated, planted.kept))
    monkeypatch.setattr(groups, "shrunk", lambda effects, *_: effects)
    counted = planted.error(of_groups(*sides, planted.rated, planted.kept))
    assert found < most * counted
    assert found < of_products < counted


def test_effects_are_shrunk_by_how_much_they_differ_beyond_their_noise() -> None:
    rng = np.random.default_rng(0)
    average, spread = rng.uniform(0.01, 0.2, 5_000), rng.uniform(0.01, 0.2, 5_000)
    part, noise = np.array([0.9, 0.7]), np.array([1e-3, 4e-3])
    true = rng.normal(0, 0.3, (2, 5_000)) * average
    seen = part[:, None] * true + rng.standard_normal((2, 5_000)) * np.sqrt(np.outer(noise, spread))
    of_truth, of_noise = (0.3 * np.outer(part, average)) ** 2, np.outer(noise, spread)
    expected = seen / part[:, None] * of_truth / (of_truth + of_noise)
    assert np.abs(shrunk(seen, average, spread, part, noise) - expected).max() < 0.05 * np.abs(expected).max()
    nothing = rng.standard_normal((2, 5_000)) * np.sqrt(of_noise)
    assert np.abs(shrunk(nothing, average, spread, part, noise)).max() < 0.1 * np.abs(nothing).max()


def test_the_variance_of_effects_is_the_root_that_a_search_finds() -> None:
    rng = np.random.default_rng(0)
    of_truth, of_noise = rng.lognormal(0, 3, (2, 3, 500))
    squares = rng.standard_normal((3, 500)) ** 2 * (0.3 * of_truth + of_noise)
    root = brentq(lambda variance: (squares / (variance * of_truth + of_noise)).mean() - 1, 0, 100)
    assert excess(squares, of_truth, of_noise) == pytest.approx(root, rel=1e-3)
    assert excess(0.9 * of_noise, of_truth, of_noise) == 0
    assert excess(0 * squares, 0 * of_truth, of_noise) == 0


@pytest.mark.parametrize("part_that_has_it", [0.999, 1.0])
def test_a_movie_that_everybody_has_does_not_decide_for_the_others(part_that_has_it: float) -> None:
    planted = Planted(0, own=0.5)
    sides = planted.rows.users, planted.rows.movies
    alone = of_groups(*sides, planted.rated, planted.kept).weights
    rated = planted.rated.toarray()
    has_it = np.random.default_rng(0).random(len(rated)) < part_that_has_it
    rated[:, 0] = has_it & rated.any(axis=1)
    found = of_groups(*sides, sparse.csr_array(rated), planted.kept).weights
    assert np.corrcoef(alone[1:, 1:].ravel(), found[1:, 1:].ravel())[0, 1] > 0.98
    assert np.abs(found[1:, 1:]).sum() == pytest.approx(np.abs(alone[1:, 1:]).sum(), rel=0.1)


def test_a_group_that_is_only_more_active_differs_in_nothing() -> None:
    planted = Planted(0, strength=0.0)
    rated = planted.rated.toarray()
    rated[1 + np.flatnonzero(planted.segments == 0)] *= 3
    found = of_groups(planted.rows.users, planted.rows.movies, sparse.csr_array(rated), planted.kept).weights
    assert np.abs(found[1:]).sum(axis=1).max() < 0.1 * found[0].sum()


def test_without_features_of_users_there_are_no_effects() -> None:
    planted = Planted(0)
    sides = without_features(planted.rows.users), planted.rows.movies
    rows, alone = of_groups(*sides, planted.rated, planted.kept)
    users = np.count_nonzero(np.diff(planted.rated.indptr))
    np.testing.assert_allclose(alone[0], planted.rated.sum(axis=0) / users, rtol=1e-5)
    assert len(alone) == len(rows) == 1


def test_rows_beside_ratings_have_the_squares_of_what_users_get() -> None:
    """Of one side feature, whose groups do not overlap; fewer rows of very many groups, and none without groups."""
    planted, rng = Planted(0), np.random.default_rng(0)
    users, sizes = planted.rows.users, rng.integers(0, 9, planted.rows.shape[0])
    sizes[0] = 0
    groups = np.append(np.zeros((1, 50)), rng.standard_normal((users.schema.size, 50)), axis=0).astype(np.float32)
    of_users = groups[1 + users.features[:, 0]] / (1 + sizes / 3.0)[:, None] * (sizes > 0)[:, None]
    every = np.arange(len(groups))
    rows = beside_ratings(Groups(every, groups), users, sizes, strength=3.0)
    np.testing.assert_allclose(np.square(rows).sum(axis=0), np.square(of_users).sum(axis=0), rtol=1e-4)
    assert len(beside_ratings(Groups(every, 0 * groups), users, sizes, 3.0)) == 0
    assert len(rows) <= MOST_GROUPS


def test_of_very_many_groups_those_with_most_users_count(monkeypatch) -> None:
    planted = Planted(0)
    sides = planted.rows.users, planted.rows.movies
    every, weights = of_groups(*sides, planted.rated, planted.kept)
    monkeypatch.setattr(groups, "MOST_GROUPS", 3)
    monkeypatch.setattr(groups, "MOST_NUMBERS", 3 * len(planted.kept))
    rows, few = of_groups(*sides, planted.rated, planted.kept)
    assert len(rows) == len(few) == 4
    present = np.diff(planted.rated.indptr) > 0
    sizes = np.bincount(1 + sides[0].features[present].ravel(), minlength=1 + sides[0].schema.size)
    assert set(rows[1:]) == set(np.argsort(-sizes, kind="stable")[:3])
    np.testing.assert_array_equal(few[0], weights[0])
    assert np.corrcoef(few[1:].ravel(), weights[np.isin(every, rows)][1:].ravel())[0, 1] > 0.9


def without_features(side: SideData) -> SideData:
    nothing = np.zeros((len(side.vocabulary), 0), np.float32)
    return SideData(side.vocabulary, FeatureSchema(), nothing.astype(np.int64), nothing)
