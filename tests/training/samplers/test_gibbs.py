"""The sampler's conditional draws, and the users and movies that nobody has rated."""

from __future__ import annotations

import numpy as np
import pytest

from tests.training.fits import quick
from training.interactions import encode, feature_matrix
from training.samplers import gibbs


def test_conditional_draws_have_the_mean_and_covariance_of_bayesian_regression() -> None:
    rng = np.random.default_rng(0)
    root = rng.normal(size=(3, 3))
    precision, shift = root @ root.T + np.eye(3), rng.normal(size=3)
    many = 40_000
    expected, draws = gibbs._gaussian(rng, np.tile(precision, (many, 1, 1)), np.tile(shift, (many, 1)))
    np.testing.assert_allclose(expected[0], np.linalg.solve(precision, shift))
    np.testing.assert_allclose(draws.mean(axis=0), expected[0], atol=0.02)
    np.testing.assert_allclose(np.cov(draws.T), np.linalg.inv(precision), atol=0.02)


class TestWithoutRatings:
    """Users and movies that nobody has rated follow the prior, and do not shape it."""

    def test_the_variance_of_the_prior_is_that_of_the_rated(self, log_and_truth, many_unrated) -> None:
        variances = []
        for log in (log_and_truth[0], many_unrated):
            interactions = encode(log, False)
            sampler = gibbs.Sampler(interactions, quick("mf", sweeps=30), 0, False)
            variances.append(
                np.mean([np.trace(np.linalg.inv(sampler.movies.Lambda)) for _ in sampler], dtype=np.float64)
            )
        assert variances[1] == pytest.approx(variances[0], rel=0.15)

    def test_their_embedding_is_the_mean_of_the_prior(self, many_unrated) -> None:
        interactions = encode(many_unrated, True)
        sampler = gibbs.Sampler(interactions, quick("fm", sweeps=2, burn_in=1), 0, True)
        *_, sample = sampler
        movies = sampler.movies
        unrated = np.setdiff1d(np.arange(len(sample.movies)), movies.rated)
        effects = feature_matrix(interactions.movies)[unrated] @ movies.coefficients()
        np.testing.assert_allclose(sample.movies[unrated], movies.mu + effects, atol=1e-4)

    def test_they_take_no_part_in_the_histories_decomposition(self, many_unrated) -> None:
        interactions = encode(many_unrated, True)
        sampler = gibbs.Sampler(interactions, quick("fm"), 0, True)
        rated = len(np.unique(interactions.movie_rows))
        _, histories = sampler.users.blocks
        assert len(histories.singular) <= rated
        assert histories.right.shape == (len(histories.singular), len(interactions.movies.vocabulary))
        unrated = np.setdiff1d(np.arange(len(interactions.movies.vocabulary)), interactions.movie_rows)
        assert not histories.right[:, unrated].any()
        product = (histories.left * histories.singular) @ histories.right
        np.testing.assert_allclose(product, histories.features[sampler.users.rated].toarray(), atol=1e-4)


class TestWhatInformsTheEmbeddings:
    """Settings that take a part of the model away."""

    def sampler(self, log, **settings) -> gibbs.Sampler:
        made = gibbs.Sampler(encode(log, True), quick("fm", **settings), 0, True)
        made.likelihood.update(np.zeros(len(log), np.float32))
        return made

    def test_the_noise_is_each_users_own_unless_it_is_shared(self, log_and_truth) -> None:
        log = log_and_truth[0]
        assert len(np.unique(self.sampler(log).likelihood.root_alpha)) > 1
        assert len(np.unique(self.sampler(log, user_noise=False).likelihood.root_alpha)) == 1

    @pytest.mark.parametrize(
        ("settings", "users", "movies"),
        [({}, 2, 2), ({"movie_history": False}, 2, 1), ({"user_history": False}, 1, 2)],
    )
    def test_histories_can_be_left_out(self, settings, users: int, movies: int, log_and_truth) -> None:
        made = self.sampler(log_and_truth[0], **settings)
        assert (len(made.users.blocks), len(made.movies.blocks)) == (users, movies)
