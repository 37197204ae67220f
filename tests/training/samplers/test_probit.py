"""Ratings as ordered levels: the cut points and the noisy scores between them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from training.samplers.philox import Stream
from training.samplers.probit import OrderedProbitLikelihood, by_cuts, sums_by_level
from training.samplers.shares import Shares
from training.samplers.view import View


def likelihood_of(ratings: np.ndarray, users: int, movies: int) -> OrderedProbitLikelihood:
    """The likelihood of ratings [users * movies], every user's of every movie."""
    likelihood = OrderedProbitLikelihood(torch.from_numpy(ratings))
    rows, others = (torch.from_numpy(axis.ravel().astype(np.int32)) for axis in np.indices((users, movies)))
    values = likelihood.take_values()
    views = [
        View(rows, others, values, Shares(rows.bincount(minlength=users)), movies, 3),
        View(others, rows, values, Shares(others.bincount(minlength=movies)), users, 3),
    ]
    likelihood.attach(*views)
    return likelihood


def embeddings(rng: np.random.Generator, rows: int, spread: float = 1.0) -> torch.Tensor:
    """A vector of one number and a bias for each row: float32 [rows, 2]."""
    return torch.from_numpy(rng.normal(scale=spread, size=(rows, 2))).float()


def test_cut_points_are_found_where_they_are_planted() -> None:
    rng = np.random.default_rng(0)
    users, movies = embeddings(rng, 50, 0.7), embeddings(rng, 400, 0.7)
    scores = (users[:, :1] @ movies[:, :1].T + users[:, 1:] + movies[:, 1]).numpy().ravel()
    planted = np.array([-1.5, 0.2, 0.9])
    ratings = np.searchsorted(planted, scores + rng.normal(size=len(scores))).astype(np.float32)
    likelihood = likelihood_of(ratings, 50, 400)
    drawn = []
    for sweep in range(60):
        likelihood.after_sweep(users, movies, Stream(0, sweep, 3))
        drawn.append(likelihood.cuts)
    np.testing.assert_allclose(np.mean(drawn[20:], axis=0), planted, atol=0.06)


def test_cut_derivatives_are_those_of_the_log_likelihood() -> None:
    rng = np.random.default_rng(0)
    codes, scores, root = (
        torch.from_numpy(each) for each in (rng.integers(0, 4, 30), rng.normal(size=30), rng.uniform(0.5, 2, 30))
    )

    def bounds(cuts):
        ends = torch.cat([torch.tensor([-torch.inf]), cuts, torch.tensor([torch.inf])]).double()
        return [(ends[codes + end] - scores) * root for end in (0, 1)]

    def log_likelihood(cuts):
        lower, upper = bounds(cuts)
        return (torch.special.ndtr(upper) - torch.special.ndtr(lower)).log().sum()

    cuts = torch.tensor([-0.7, 0.1, 1.2], dtype=torch.float64)
    value, gradient, precision = by_cuts(sums_by_level(codes, root, *bounds(cuts), 4).numpy(), 4)
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


class TestNoisyScores:
    def drawn(self) -> tuple[OrderedProbitLikelihood, np.ndarray]:
        rng = np.random.default_rng(0)
        ratings = rng.integers(0, 4, 70 * 50).astype(np.float32)
        likelihood = likelihood_of(ratings, 70, 50)
        likelihood.tau *= 1.7
        likelihood.after_sweep(embeddings(rng, 70, 4.0), embeddings(rng, 50, 4.0), Stream(0, 0, 3))
        return likelihood, ratings.reshape(70, 50)

    def by_pair(self, view: View, targets: torch.Tensor) -> np.ndarray:
        """Targets [entities, others]: every pair is rated, so all blocks of a view are as long."""
        found = np.full((len(view.counts), view.empty + 1), np.nan)
        for block in view.blocks:
            rows = view.entities[block.entities, None].numpy()
            found[rows, view.others[block.slots].view(block.count, -1).numpy()] = targets[block.slots].view(
                block.count, -1
            )
        return found[:, :-1]

    def test_they_lie_in_the_interval_of_their_rating(self) -> None:
        likelihood, ratings = self.drawn()
        targets = self.by_pair(likelihood.users, likelihood.user_targets)
        ends, codes = np.array([-np.inf, *likelihood.cuts, np.inf]), ratings.astype(int)
        assert (targets >= ends[codes] - 1e-4).all()
        assert (targets <= ends[codes + 1] + 1e-4).all()

    def test_both_views_draw_the_same(self) -> None:
        likelihood, _ = self.drawn()
        of_users = self.by_pair(likelihood.users, likelihood.user_targets)
        of_movies = self.by_pair(likelihood.movies, likelihood.movie_targets)
        np.testing.assert_allclose(of_users, of_movies.T, atol=1e-4)
