"""The Gibbs sampler draws from the posterior of the model that it states: Geweke, Getting it right, JASA 99, 2004.

Two ways of drawing parameters and data together must agree. One draws the parameters from their priors, anew each
time. The others are chains: the sampler's sweep given the data, then new data given the parameters. A wrong conditional
distribution anywhere in the sweep makes the chains drift from the first.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from scipy.stats import wishart

from training.config import Settings
from training.data import generate
from training.interactions import Interactions, encode
from training.samplers import gibbs
from training.samplers.gibbs import Sampler, SideSampler

INDEPENDENT = 4_000
CHAINS, SWEEPS = 240, 40  # each chain starts with a draw from the priors, so that their means are independent
BETA_0 = 2.0  # the sampler's own leaves the mean nearly free, and a chain of that takes long to go round
CUT_SPREAD = 1.5
LEVELS = np.array([1.0, 2.0, 3.0], np.float32)


def tiny() -> Interactions:
    """7 users and 6 movies with side features, half of the pairs rated; one movie has no rating."""
    log = generate(seed=0, users=7, movies=6, ratings=18).log
    pairs = np.unique(np.column_stack([np.arange(21) % 7, np.arange(21) * 2 % 5]), axis=0)
    ratings = log.ratings.iloc[np.arange(len(pairs)) % len(log)].assign(
        user_id=log.users["user_id"].to_numpy()[pairs[:, 0]],
        movie_id=log.movies["movie_id"].to_numpy()[pairs[:, 1]],
        rating=LEVELS[np.arange(len(pairs)) % 3],
    )
    log = dataclasses.replace(
        log, ratings=ratings.reset_index(drop=True), user_features=("gender",), movie_features=("genres",)
    )
    return encode(log, use_features=True)


def sampler_of(ratings_as: str, use_features: bool, seed: int) -> Sampler:
    settings = Settings(method="gibbs", ratings_as=ratings_as, sample_factors=2)
    sampler = Sampler(tiny(), settings, seed, use_features)
    sampler.users.beta_0 = sampler.movies.beta_0 = BETA_0
    if ratings_as == "levels":
        sampler.likelihood.cut_spread = CUT_SPREAD
    return sampler


def scores_of(sampler: Sampler) -> np.ndarray:
    return gibbs.pair_scores(sampler.users.embeddings, sampler.movies.embeddings, sampler.user_rows, sampler.movie_rows)


def draw_data(sampler: Sampler, rng: np.random.Generator) -> None:
    likelihood = sampler.likelihood
    likelihood.targets = (
        scores_of(sampler) + rng.standard_normal(len(likelihood.root_alpha)) / likelihood.root_alpha
    ).astype(np.float32)
    if hasattr(likelihood, "cuts"):
        likelihood.codes = np.searchsorted(likelihood.cuts, likelihood.targets)


def sweep(sampler: Sampler) -> None:
    users, movies, likelihood = sampler.users, sampler.movies, sampler.likelihood
    users.sample(movies.embeddings, likelihood.targets, likelihood.root_alpha)
    movies.sample(users.embeddings, likelihood.targets[sampler.by_movie], likelihood.root_alpha[sampler.by_movie])
    likelihood.update(scores_of(sampler))


def draw_side_from_prior(side: SideSampler, rng: np.random.Generator) -> None:
    def precision(mean: float) -> np.ndarray:
        return wishart.rvs(side.nu_0, np.eye(side.size) * mean / side.nu_0, random_state=rng)

    side.Lambda = precision(side.prior_precision)
    root = np.linalg.inv(np.linalg.cholesky(side.Lambda))  # root^T root is the covariance
    side.mu = rng.standard_normal(side.size) @ root / np.sqrt(side.beta_0)
    for block in side.blocks:
        block.Lambda_beta = precision(block.prior_precision)
        within = np.linalg.inv(np.linalg.cholesky(block.Lambda_beta))
        block.rotated_beta = rng.standard_normal((len(block.singular), side.size)) @ within
        block.effects = (block.left * block.singular) @ block.rotated_beta
    embeddings = side.mu + sum(block.effects for block in side.blocks) if side.blocks else side.mu
    side.embeddings[side.rated] = embeddings + rng.standard_normal((len(side.rated), side.size)) @ root


def draw_from_prior(sampler: Sampler, rng: np.random.Generator) -> None:
    draw_side_from_prior(sampler.users, rng)
    draw_side_from_prior(sampler.movies, rng)
    likelihood = sampler.likelihood
    likelihood.tau = rng.gamma(5.0, 1 / 5.0, len(likelihood.counts))
    if hasattr(likelihood, "cuts"):
        likelihood.cuts = np.sort(rng.normal(scale=CUT_SPREAD, size=len(LEVELS) - 1))
        noise_precision = 1.0
    else:
        noise_precision = rng.gamma(1.0, 1.0)
    likelihood.root_alpha = np.sqrt(noise_precision * likelihood.tau)[sampler.user_rows].astype(np.float32)


def statistics(sampler: Sampler) -> dict[str, float]:
    """Functions of parameters and data whose means are compared, tamed so that their variances are finite."""
    found = {"score": np.tanh(scores_of(sampler)).mean(), "score^2": np.tanh(np.square(scores_of(sampler))).mean()}
    for name, side in (("users", sampler.users), ("movies", sampler.movies)):
        rated = side.embeddings[side.rated]
        found |= {
            f"{name}: log |precision|": np.linalg.slogdet(side.Lambda)[1],
            f"{name}: log precision of biases": np.log(side.Lambda[-1, -1]),
            f"{name}: mean": np.tanh(side.mu[0]),
            f"{name}: mean bias": np.tanh(side.mu[-1]),
            f"{name}: log spread of vectors": np.log(rated[:, :-1].var()),
            f"{name}: log spread of biases": np.log(rated[:, -1].var()),
            f"{name}: agreement": np.tanh(rated[0] @ rated[1]),
        }
        for number, block in enumerate(side.blocks):
            found[f"{name}: log |precision| of features {number}"] = np.linalg.slogdet(block.Lambda_beta)[1]
            found[f"{name}: log spread of features {number}"] = np.log(np.square(block.rotated_beta).mean())
    likelihood = sampler.likelihood
    found["user noise"] = np.log(likelihood.tau[sampler.user_rows]).mean()
    found["noise"] = np.log(likelihood.root_alpha).mean()
    found["data"] = np.tanh(likelihood.targets).mean()
    if hasattr(likelihood, "cuts"):
        found["lowest cut"], found["cuts apart"] = likelihood.cuts[0], np.log(np.diff(likelihood.cuts)).mean()
        found["best rated"] = (likelihood.codes == 2).mean()
    return found


def table(states: Iterator[Sampler], of: Callable[[Sampler], dict[str, float]]) -> tuple[list[str], np.ndarray]:
    rows = [of(state) for state in states]
    return list(rows[0]), np.array([list(row.values()) for row in rows])


def from_priors(sampler: Sampler, seed: int) -> Iterator[Sampler]:
    rng = np.random.default_rng(seed)
    for _ in range(INDEPENDENT):
        draw_from_prior(sampler, rng)
        draw_data(sampler, rng)
        yield sampler


def from_chains(sampler: Sampler, seed: int) -> Iterator[Sampler]:
    rng = np.random.default_rng(seed)
    for _ in range(CHAINS):
        draw_from_prior(sampler, rng)
        draw_data(sampler, rng)
        for _ in range(SWEEPS):
            sweep(sampler)
            draw_data(sampler, rng)
            yield sampler


@pytest.mark.slow
@pytest.mark.parametrize(("ratings_as", "use_features"), [("numbers", False), ("numbers", True), ("levels", True)])
def test_the_chain_and_the_priors_agree(ratings_as: str, use_features: bool) -> None:
    names, independent = table(from_priors(sampler_of(ratings_as, use_features, 1), 2), statistics)
    _, chained = table(from_chains(sampler_of(ratings_as, use_features, 3), 4), statistics)
    chains = chained.reshape(CHAINS, SWEEPS, len(names)).mean(axis=1)
    variance = independent.var(axis=0) / INDEPENDENT + chains.var(axis=0, ddof=1) / CHAINS
    away = (chained.mean(axis=0) - independent.mean(axis=0)) / np.sqrt(variance)
    # Some twenty statistics: one in a thousand right samplers has any of them this far off.
    assert np.abs(away).max() < 4.1, dict(zip(names, away.round(1).tolist(), strict=True))
