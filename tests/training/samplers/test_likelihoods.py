"""Ratings as ordered levels: the cut points and the noisy scores between them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from training.samplers.likelihoods import OrderedProbitLikelihood, log_likelihood_by_cuts


def test_cut_points_are_found_where_they_are_planted() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=20_000).astype(np.float32)
    planted = np.array([-1.5, 0.2, 0.9])
    ratings = np.searchsorted(planted, scores + rng.normal(size=len(scores))).astype(np.float32)
    likelihood = OrderedProbitLikelihood(rng, ratings, np.arange(len(scores)) % 50, 50)
    drawn = []
    for _ in range(60):
        likelihood.update(scores)
        drawn.append(likelihood.cuts)
    np.testing.assert_allclose(np.mean(drawn[20:], axis=0), planted, atol=0.06)


def test_cut_derivatives_are_those_of_the_log_likelihood() -> None:
    rng = np.random.default_rng(0)
    codes, scores, root = rng.integers(0, 4, 30), rng.normal(size=30), rng.uniform(0.5, 2, 30)

    def bounds(cuts):
        ends = torch.cat([torch.tensor([-torch.inf]), cuts, torch.tensor([torch.inf])]).double()
        return [(ends[codes + end] - torch.from_numpy(scores)) * torch.from_numpy(root) for end in (0, 1)]

    def log_likelihood(cuts):
        lower, upper = bounds(cuts)
        return (torch.special.ndtr(upper) - torch.special.ndtr(lower)).log().sum()

    cuts = torch.tensor([-0.7, 0.1, 1.2], dtype=torch.float64)
    value, gradient, precision = log_likelihood_by_cuts(codes, root, *(bound.numpy() for bound in bounds(cuts)), 4)
    assert value == pytest.approx(log_likelihood(cuts).item())
    step = 1e-4 * torch.eye(3, dtype=torch.float64)

    def difference(of, at, by):
        return (of(at + by) - of(at - by)) / 2e-4

    np.testing.assert_allclose(gradient, [difference(log_likelihood, cuts, by) for by in step], rtol=1e-4)
    curved = [
        [difference(lambda point, by=by: difference(log_likelihood, point, by), cuts, other) for by in step]
        for other in step
    ]
    np.testing.assert_allclose(precision, -np.array(curved), rtol=1e-3, atol=1e-3)


def test_noisy_scores_lie_in_the_interval_of_their_rating() -> None:
    rng = np.random.default_rng(0)
    ratings = rng.integers(0, 4, 5000).astype(np.float32)
    likelihood = OrderedProbitLikelihood(rng, ratings, np.zeros(5000, np.int64), 1)
    likelihood.update(rng.normal(scale=20, size=5000).astype(np.float32))
    ends = np.array([-np.inf, *likelihood.cuts, np.inf])
    assert (likelihood.targets >= ends[likelihood.codes] - 1e-4).all()
    assert (likelihood.targets <= ends[likelihood.codes + 1] + 1e-4).all()
