"""The sampler's conditional draws, and the users and movies that nobody has rated."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.training.fits import quick
from training.interactions import encode, feature_matrix
from training.samplers import gibbs, view


def test_conditional_draws_have_the_mean_and_covariance_of_bayesian_regression() -> None:
    rng = np.random.default_rng(0)
    root = rng.normal(size=(3, 3))
    precision, shift = root @ root.T + np.eye(3), rng.normal(size=3)
    many = 40_000
    precisions, shifts = np.tile(precision, (many, 1, 1)), np.tile(shift, (many, 1))
    both = gibbs._gaussian(*(torch.from_numpy(each) for each in (precisions, shifts, rng.normal(size=(many, 3)))))
    expected, draws = both.numpy().swapaxes(0, 1)
    np.testing.assert_allclose(expected[0], np.linalg.solve(precision, shift))
    np.testing.assert_allclose(draws.mean(axis=0), expected[0], atol=0.02)
    np.testing.assert_allclose(np.cov(draws.T), np.linalg.inv(precision), atol=0.02)


class TestWithoutRatings:
    """Users and movies that nobody has rated follow the prior, and do not shape it."""

    def test_the_variance_of_the_prior_is_that_of_the_rated(self, log_and_truth, many_unrated) -> None:
        variances = []
        for log in (log_and_truth[0], many_unrated):
            interactions = encode(log, False)
            sampler = gibbs.Sampler.of(interactions, quick("mf", sweeps=30), 0, False)
            variances.append(
                np.mean([np.trace(np.linalg.inv(sampler.movies.Lambda)) for _ in sampler], dtype=np.float64)
            )
        assert variances[1] == pytest.approx(variances[0], rel=0.15)

    def test_their_embedding_is_the_mean_of_the_prior(self, many_unrated) -> None:
        interactions = encode(many_unrated, True)
        sampler = gibbs.Sampler.of(interactions, quick("fm", sweeps=2, burn_in=1), 0, True)
        *_, sample = sampler
        movies = sampler.movies
        unrated = np.setdiff1d(np.arange(len(sample.movies)), movies.view.rated)
        effects = feature_matrix(interactions.movies)[unrated] @ movies.coefficients().numpy()
        np.testing.assert_allclose(sample.movies[unrated], movies.mu + effects, atol=1e-4)

    def test_the_embedding_of_a_user_has_the_mean_effect_of_histories(self, log_and_truth) -> None:
        interactions = encode(log_and_truth[0], True)
        new = interactions.user_rows % 4 == 0
        sampler = gibbs.Sampler.of(interactions.take(np.flatnonzero(~new)), quick("fm", sweeps=2, burn_in=1), 0, True)
        *_, sample = sampler
        users, unrated = sampler.users, np.unique(interactions.user_rows[new])
        effects = feature_matrix(interactions.users)[unrated] @ users.coefficients().numpy()
        of_history = users.blocks[1].effects[users.view.rated].mean(dim=0).numpy()
        np.testing.assert_allclose(sample.users[unrated], users.mu + effects + of_history, atol=1e-4)

    def test_they_take_no_part_in_the_histories_decomposition(self, many_unrated) -> None:
        interactions = encode(many_unrated, True)
        sampler = gibbs.Sampler.of(interactions, quick("fm"), 0, True)
        _, histories = sampler.users.blocks
        unrated = np.setdiff1d(np.arange(len(interactions.movies.vocabulary)), interactions.movie_rows)
        np.testing.assert_allclose(histories.right[:, unrated], 0, atol=0.01)  # those of the smallest are inexact


def test_squared_errors_come_from_the_moments() -> None:
    rng = np.random.default_rng(0)
    movies, ratings, user = rng.normal(size=(50, 3)), rng.normal(size=50), rng.normal(size=3)
    design = np.column_stack([movies[:, :2], np.ones(50), ratings - movies[:, 2]])
    errors = ratings - movies[:, :2] @ user[:2] - user[2] - movies[:, 2]
    found = gibbs._squares(torch.from_numpy(design.T @ design)[None], torch.from_numpy(user)[None])
    assert found.item() == pytest.approx(np.square(errors).sum())


@pytest.mark.parametrize("settings", [{}, {"ratings_as": "levels"}], ids=["numbers", "levels"])
def test_the_division_of_the_work_does_not_change_the_chain(settings, log_and_truth, monkeypatch) -> None:
    """In small blocks and on two threads the same numbers are drawn, up to the order of sums."""
    interactions, chains = encode(log_and_truth[0], True), []
    for small in (False, True):
        if small:
            monkeypatch.setitem(view.SLOTS_AT_A_TIME, "cpu", 512)
            monkeypatch.setitem(view.NUMBERS_AT_A_TIME, "cpu", 1 << 12)
        sampler = gibbs.Sampler.of(interactions, quick("fm", sweeps=2, burn_in=1, **settings), 0, True)
        sampler.users.view.threads = sampler.movies.view.threads = 1 + small
        chains.append(list(sampler))
    for first, second in zip(*chains, strict=True):
        torch.testing.assert_close(first.users, second.users, atol=2e-3, rtol=0)
        torch.testing.assert_close(first.movies, second.movies, atol=2e-3, rtol=0)


class TestWhatInformsTheEmbeddings:
    """Settings that take a part of the model away."""

    def sampler(self, log, **settings) -> gibbs.Sampler:
        made = gibbs.Sampler.of(encode(log, True), quick("fm", **settings), 0, True)
        list(made.sweep(0))
        return made

    def test_the_noise_is_each_users_own_unless_it_is_shared(self, log_and_truth) -> None:
        log = log_and_truth[0]
        assert len(self.sampler(log).likelihood.root_alpha.unique()) > 1
        assert len(self.sampler(log, user_noise=False).likelihood.root_alpha.unique()) == 1

    @pytest.mark.parametrize(
        ("settings", "users", "movies"),
        [({}, 2, 2), ({"movie_history": False}, 2, 1), ({"user_history": False}, 1, 2)],
    )
    def test_histories_can_be_left_out(self, settings, users: int, movies: int, log_and_truth) -> None:
        made = self.sampler(log_and_truth[0], **settings)
        assert (len(made.users.blocks), len(made.movies.blocks)) == (users, movies)
