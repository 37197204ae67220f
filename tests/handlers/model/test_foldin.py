"""Folding in a new user, against the textbook formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from handlers.recommender.model.foldin import (
    ROWS_AT_ONCE,
    Prior,
    Rated,
    in_groups,
    means_that_give,
    prior_of,
    solve,
    solve_each,
)
from handlers.recommender.model.link import Link, Logistic, Ordinal, Regression

NOISE = 0.7


def prior_that_gives(embedding: torch.Tensor, score, prior: Prior, ratings: torch.Tensor, link: Link) -> Prior:
    rated = Rated(score, ratings, [len(ratings)])
    return Prior(means_that_give(embedding.unsqueeze(0), rated, prior.precision, link)[0], prior.precision)


LINKS: dict[str, Link] = {
    "regression": Regression(-5, 5, NOISE),
    "logistic": Logistic(0.1),
    "ordinal": Ordinal((-1.0, 0.0, 1.0), (-0.5, 0.5), NOISE**0.5),
}


def planted_regression():
    generator = torch.Generator().manual_seed(0)
    design = torch.randn(12, 4, generator=generator)
    root = torch.randn(4, 4, generator=generator)
    prior = Prior(torch.randn(4, generator=generator), root @ root.T + torch.eye(4))
    ratings = torch.randn(12, generator=generator)
    return design, prior, ratings


def test_linear_scores_give_the_regularised_least_squares_solution() -> None:
    design, prior, ratings = planted_regression()
    found = solve(lambda own: (own * design).sum(1), prior, ratings, LINKS["regression"]).embedding
    left = design.T @ design / NOISE + prior.precision
    right = design.T @ ratings / NOISE + prior.precision @ prior.mean
    torch.testing.assert_close(found, torch.linalg.solve(left, right))


@pytest.mark.parametrize("name", LINKS)
def test_solutions_are_the_maximum_of_the_posterior(name: str) -> None:
    design, prior, ratings = planted_regression()
    found = solve(lambda own: (own * design).sum(1), prior, ratings, LINKS[name]).embedding.clone().requires_grad_()
    loss = LINKS[name].negative_log_likelihood(design @ found, ratings).sum() + 0.5 * (
        found - prior.mean
    ) @ prior.precision @ (found - prior.mean)
    (gradient,) = torch.autograd.grad(loss, found)
    assert gradient.abs().max() < 0.05


def test_contributions_add_up_to_the_difference_from_the_prior() -> None:
    design, prior, ratings = planted_regression()
    for link in LINKS.values():
        solution = solve(lambda own: (own * design).sum(1), prior, ratings, link)
        way = torch.linalg.solve(solution.precision, solution.contributions.sum(0))
        torch.testing.assert_close(solution.embedding - prior.mean, way, atol=2e-2, rtol=2e-2)


def test_no_ratings_leave_the_prior_mean() -> None:
    _, prior, _ = planted_regression()
    found = solve(lambda own: own.sum(1), prior, torch.zeros(0), LINKS["regression"])
    torch.testing.assert_close(found.embedding, prior.mean)


@pytest.mark.parametrize("name", LINKS)
def test_a_prior_that_gives_an_embedding_gives_it(name: str) -> None:
    """From the embedding, and from elsewhere."""
    design, prior, ratings = planted_regression()
    embedding = torch.tensor([0.3, -0.2, 0.5, 0.1])

    def score(own: torch.Tensor) -> torch.Tensor:
        return (own * design).sum(1)

    own_prior = prior_that_gives(embedding, score, prior, ratings, LINKS[name])
    for start in (embedding, None):
        found = solve(score, own_prior, ratings, LINKS[name], start).embedding
        torch.testing.assert_close(found, embedding, atol=2e-2, rtol=0)


def test_more_ratings_after_a_prior_that_gives_an_embedding_are_a_step_of_recursive_least_squares() -> None:
    design, prior, ratings = planted_regression()
    link, old, embedding = LINKS["regression"], slice(0, 8), torch.tensor([0.3, -0.2, 0.5, 0.1])
    own_prior = prior_that_gives(embedding, lambda own: (own * design[old]).sum(1), prior, ratings[old], link)
    found = solve(lambda own: (own * design).sum(1), own_prior, ratings, link, embedding).embedding
    precision = prior.precision + design.T @ design / NOISE
    residuals = ratings[8:] - design[8:] @ embedding
    expected = embedding + torch.linalg.solve(precision, design[8:].T @ residuals / NOISE)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_the_prior_is_the_users_mean_and_covariance() -> None:
    own = np.random.default_rng(0).normal(size=(5000, 3)) @ np.array([[2.0, 0, 0], [1, 1, 0], [0, 0, 3]]) + [1, 2, 3]
    prior = prior_of(own)
    np.testing.assert_allclose(prior.mean, own.mean(axis=0), rtol=1e-5)
    covariance = np.cov(own.T)
    ridge = 0.1 * np.trace(covariance) / 3
    np.testing.assert_allclose(np.linalg.inv(prior.precision), covariance + ridge * np.eye(3), rtol=1e-3)


@pytest.mark.parametrize("name", LINKS)
@pytest.mark.parametrize("bend", [0.0, 0.3])
def test_people_together_get_what_each_gets_alone(name: str, bend: float) -> None:
    """Also with scores that are not linear (``bend``), and beside somebody without ratings."""
    generator = torch.Generator().manual_seed(1)
    _, prior, _ = planted_regression()
    counts = [12, 1, 0, 30]
    design, ratings = torch.randn(43, 4, generator=generator), torch.randn(43, generator=generator)
    means, start = (torch.randn(4, 4, generator=generator) for _ in range(2))

    def score_of(design: torch.Tensor):
        return lambda own: (own * design).sum(1) + bend * torch.relu((own * design).sum(1))

    found = solve_each(Rated(score_of(design), ratings, counts), means, prior.precision, LINKS[name], start)
    pieces = zip(design.split(counts), ratings.split(counts), means, start)
    for place, (of_person, own_ratings, mean, begin) in enumerate(pieces):
        alone = solve(score_of(of_person), Prior(mean, prior.precision), own_ratings, LINKS[name], begin)
        torch.testing.assert_close(found.embedding[place], alone.embedding, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(found.precision[place], alone.precision, atol=1e-3, rtol=1e-3)


def test_groups_are_as_large_as_they_may_be_and_keep_the_order() -> None:
    half = ROWS_AT_ONCE // 2
    assert list(in_groups([5, 6, 7, 8], [half, half, 1, 9 * half])) == [[5, 6], [7], [8]]
    assert list(in_groups([], [])) == []
