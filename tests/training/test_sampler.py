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
from training.dataset import Dataset, encode
from training.fitting import gibbs
from training.fitting.gibbs import Sampler, SideSampler

INDEPENDENT = 4_000
CHAINS, SWEEPS = 240, 40  # each chain starts with a draw from the priors, so that their means are independent
MEAN_STRENGTH = 2.0  # the sampler's own leaves the mean nearly free, and a chain of that takes long to go round
CUT_SPREAD = 1.5
LEVELS = np.array([1.0, 2.0, 3.0], np.float32)


def tiny() -> Dataset:
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
    dataset = tiny()
    settings = Settings(method="gibbs", ratings_as=ratings_as, rank=2)
    sampler = Sampler(dataset, np.arange(len(dataset)), settings, seed, use_features)
    sampler.users.mean_strength = sampler.movies.mean_strength = MEAN_STRENGTH
    if ratings_as == "levels":
        sampler.observed.cut_spread = CUT_SPREAD
    return sampler


def scores_of(sampler: Sampler) -> np.ndarray:
    return gibbs.pair_scores(sampler.users.embeddings, sampler.movies.embeddings, sampler.user_rows, sampler.movie_rows)


def draw_data(sampler: Sampler, rng: np.random.Generator) -> None:
    observed = sampler.observed
    observed.targets = (scores_of(sampler) + rng.standard_normal(len(observed.root)) / observed.root).astype(np.float32)
    if hasattr(observed, "cuts"):
        observed.codes = np.searchsorted(observed.cuts, observed.targets)


def sweep(sampler: Sampler) -> None:
    users, movies, observed = sampler.users, sampler.movies, sampler.observed
    users.sample(movies.embeddings, observed.targets, observed.root)
    movies.sample(users.embeddings, observed.targets[sampler.by_movie], observed.root[sampler.by_movie])
    observed.update(scores_of(sampler))


def draw_side_from_prior(side: SideSampler, rng: np.random.Generator) -> None:
    def precision(mean: float) -> np.ndarray:
        freedom = side.size + 1
        return wishart.rvs(freedom, np.eye(side.size) * mean / freedom, random_state=rng)

    side.precision = precision(side.prior_precision)
    root = np.linalg.inv(np.linalg.cholesky(side.precision))  # root^T root is the covariance
    side.mean = rng.standard_normal(side.size) @ root / np.sqrt(side.mean_strength)
    for block in side.blocks:
        block.precision = precision(block.prior_precision)
        within = np.linalg.inv(np.linalg.cholesky(block.precision))
        block.rotated = rng.standard_normal((len(block.singular), side.size)) @ within
        block.values = (block.left * block.singular) @ block.rotated
    embeddings = side.mean + sum(block.values for block in side.blocks) if side.blocks else side.mean
    side.embeddings[side.rated] = embeddings + rng.standard_normal((len(side.rated), side.size)) @ root


def draw_from_prior(sampler: Sampler, rng: np.random.Generator) -> None:
    draw_side_from_prior(sampler.users, rng)
    draw_side_from_prior(sampler.movies, rng)
    observed = sampler.observed
    observed.user_precision = rng.gamma(5.0, 1 / 5.0, len(observed.counts))
    if hasattr(observed, "cuts"):
        observed.cuts = np.sort(rng.normal(scale=CUT_SPREAD, size=len(LEVELS) - 1))
        noise_precision = 1.0
    else:
        noise_precision = rng.gamma(1.0, 1.0)
    observed.root = np.sqrt(noise_precision * observed.user_precision)[sampler.user_rows].astype(np.float32)


def statistics(sampler: Sampler) -> dict[str, float]:
    """Functions of parameters and data whose means are compared, tamed so that their variances are finite."""
    found = {"score": np.tanh(scores_of(sampler)).mean(), "score^2": np.tanh(np.square(scores_of(sampler))).mean()}
    for name, side in (("users", sampler.users), ("movies", sampler.movies)):
        rated = side.embeddings[side.rated]
        found |= {
            f"{name}: log |precision|": np.linalg.slogdet(side.precision)[1],
            f"{name}: log precision of biases": np.log(side.precision[-1, -1]),
            f"{name}: mean": np.tanh(side.mean[0]),
            f"{name}: mean bias": np.tanh(side.mean[-1]),
            f"{name}: log spread of vectors": np.log(rated[:, :-1].var()),
            f"{name}: log spread of biases": np.log(rated[:, -1].var()),
            f"{name}: agreement": np.tanh(rated[0] @ rated[1]),
        }
        for at, block in enumerate(side.blocks):
            found[f"{name}: log |precision| of features {at}"] = np.linalg.slogdet(block.precision)[1]
            found[f"{name}: log spread of features {at}"] = np.log(np.square(block.rotated).mean())
    observed = sampler.observed
    found["user noise"] = np.log(observed.user_precision[sampler.user_rows]).mean()
    found["noise"] = np.log(observed.root).mean()
    found["data"] = np.tanh(observed.targets).mean()
    if hasattr(observed, "cuts"):
        found["lowest cut"], found["cuts apart"] = observed.cuts[0], np.log(np.diff(observed.cuts)).mean()
        found["best rated"] = (observed.codes == 2).mean()
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
