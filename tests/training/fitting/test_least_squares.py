"""Alternating least squares, beside the loss over a matrix of all pairs."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from tests.training.fits import quick
from tests.training.processes import found_together
from training.data import RatingsLog, generate
from training.estimators import ESTIMATORS
from training.fitting.least_squares import Solver
from training.fitting.targets import confidences
from training.interactions import Interactions, encode
from training.samplers.gibbs import pair_scores


def likes(count: int = 900) -> RatingsLog:
    log = generate(seed=0, users=60, movies=50, ratings=count).log
    return RatingsLog(
        log.name, log.ratings.drop(columns="rating"), users=log.users, movies=log.movies,
        user_features=log.user_features, movie_features=log.movie_features,
    )  # fmt: skip


def solver_of(train: Interactions, use_features: bool, sweeps: int = 4) -> Solver:
    settings = quick("mf", "like", n_factors=5, als_sweeps=sweeps)
    solver = Solver.of(train, settings, (0.1,), 1.0, 0, use_features, "cpu")
    for _ in solver:
        pass
    return solver


def loss(solver: Solver, train: Interactions, users: torch.Tensor) -> torch.Tensor:
    """The loss by the user embeddings: every pair with a rated user and movie is one number."""
    movies = solver.movies.embeddings.double()
    scores = users[:, :-1] @ movies[:, :-1].T + users[:, -1:] + movies[:, -1]
    rated = scores[solver.users.view.rated][:, solver.movies.view.rated]
    liked = scores[train.user_rows.astype(np.int64), train.movie_rows.astype(np.int64)]
    explained = solver.users.block.effects if solver.users.block else torch.zeros_like(users)
    distances = (users - explained)[solver.users.view.rated].square().sum()
    confidence = torch.from_numpy(confidences(train, 1.0))
    return (
        (confidence * (1 - liked).square()).sum()
        + solver.alpha_0 * rated.square().sum()
        + solver.users.penalty * distances
    )


def weighted(train: Interactions) -> Interactions:
    weights = np.random.default_rng(0).lognormal(0, 1.5, len(train)).astype(np.float32)
    return dataclasses.replace(train, weights=weights)


@pytest.mark.parametrize("has_weights", [False, True])
@pytest.mark.parametrize("use_features", [False, True])
def test_users_are_at_the_optimum_of_the_loss_over_all_pairs(use_features: bool, has_weights: bool) -> None:
    train = encode(likes(), use_features)
    train = weighted(train) if has_weights else train
    solver = solver_of(train, use_features)
    users = solver.users.embeddings.double().requires_grad_()
    before = loss(solver, train, users)
    (gradient,) = torch.autograd.grad(before, users)
    assert gradient[solver.users.view.rated].abs().max() < 1e-3 * before
    assert loss(solver, train, users.detach() * 0.9) > before


def test_the_loss_of_the_likes_is_told() -> None:
    train = encode(likes(), False)
    solver = Solver.of(train, quick("mf", "like", n_factors=5, als_sweeps=6), (0.1,), 1.0, 0, False, "cpu")
    told = list(solver)
    users, movies = solver.users.embeddings, solver.movies.embeddings
    liked = pair_scores(users, movies, *(torch.from_numpy(rows).long() for rows in (train.user_rows, train.movie_rows)))
    assert told[-1] == pytest.approx(float((1 - liked).square().mean()), rel=1e-4)


def test_a_like_of_weight_two_is_two_likes() -> None:
    """Of the same user and movie, so that a log with repeats and one with their numbers as weights are the same."""
    train = encode(likes(), False)
    twice = np.random.default_rng(1).random(len(train)) < 0.3
    repeated = train.take(np.concatenate([np.arange(len(train)), np.flatnonzero(twice)]))
    counted = dataclasses.replace(train, weights=1 + twice.astype(np.float32))
    views = [
        Solver.of(rows, quick("mf", "like", n_factors=5), (0.1,), 1.0, 0, False, "cpu") for rows in (repeated, counted)
    ]
    table = torch.randn(views[0].movies.view.empty + 1, 7, generator=torch.Generator().manual_seed(0))
    table[-1] = 0
    moments = []
    for solver in views:
        view, found = solver.movies.view, torch.zeros(len(solver.movies.view.counts), 7, 7)
        for block in view.blocks:
            found[view.entities[block.entities]] += view.weighted_moments(block, table)
        moments.append(found)
    torch.testing.assert_close(moments[0], moments[1] * (1 + twice).mean(), rtol=1e-4, atol=1e-4)


def fits() -> list[torch.Tensor]:
    """The embeddings of a model of ids and of one with features, of this process alone or with others."""
    found = []
    for model in ("mf", "fm"):
        estimator = ESTIMATORS[model](quick(model, "like", als_sweeps=3), list_ranker=False)
        train = encode(likes(), estimator.uses_features)
        found.append(estimator.fit(train).raw_scores(train.user_rows, train.movie_rows))
    return found


@pytest.mark.slow
def test_two_processes_find_what_one_finds(tmp_path) -> None:
    for alone, together in zip(fits(), found_together(fits, tmp_path), strict=True):
        torch.testing.assert_close(together, alone, rtol=1e-3, atol=1e-3)
