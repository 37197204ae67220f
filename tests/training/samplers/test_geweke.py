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
import torch
from scipy.stats import wishart

from training.config import Settings
from training.data import generate
from training.interactions import Interactions, encode
from training.samplers.gibbs import Sampler, SideSampler
from training.samplers.philox import Stream
from training.samplers.view import View

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
    sampler = Sampler.of(tiny(), settings, seed, use_features)
    sampler.users.beta_0 = sampler.movies.beta_0 = BETA_0
    if ratings_as == "levels":
        sampler.likelihood.cut_spread = CUT_SPREAD
    return sampler


def by_block(sampler: Sampler) -> Iterator[tuple[View, slice, torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Of every block of both views: the view, its slots, users' root alpha, scores, and the rows (user, movie)."""
    sides, root_alpha = (sampler.users, sampler.movies), sampler.likelihood.root_alpha
    for number, (side, other) in enumerate((sides, sides[::-1])):
        table = torch.cat([other.embeddings, torch.zeros(1, other.size)])
        for block in side.view.blocks:
            own = side.view.entities[block.entities, None].expand(-1, block.length)
            others = side.view.others[block.slots].view(block.count, -1).long()
            rows = (own, others) if number == 0 else (others, own)
            users = rows[0].clamp(max=len(root_alpha) - 1)
            scores = side.view.scores(block, side.embeddings[side.view.entities], table)
            yield side.view, block.slots, root_alpha[users].flatten(), scores.flatten(), torch.stack(rows)


def scores_of(sampler: Sampler) -> np.ndarray:
    found = [
        scores[view.others[slots] < view.empty]
        for view, slots, _, scores, _ in by_block(sampler)
        if view is sampler.users.view
    ]
    return torch.cat(found).numpy()


def draw_data(sampler: Sampler, stream: Stream) -> None:
    likelihood = sampler.likelihood
    for view, slots, root_alpha, scores, (users, movies) in by_block(sampler):
        targets = scores + torch.special.ndtri(stream.uniforms(users, movies)).flatten() / root_alpha
        (likelihood.user_targets if view is sampler.users.view else likelihood.movie_targets)[slots] = targets.float()
        if hasattr(likelihood, "cuts"):
            codes = torch.searchsorted(torch.from_numpy(likelihood.cuts), targets.double())
            view.values[slots] = codes.masked_fill(view.others[slots] == view.empty, len(LEVELS)).to(torch.uint8)


def draw_side_from_prior(side: SideSampler, rng: np.random.Generator) -> None:
    def precision(mean: float) -> np.ndarray:
        return wishart.rvs(side.nu_0, np.eye(side.size) * mean / side.nu_0, random_state=rng)

    side.Lambda = precision(side.prior_precision)
    root = np.linalg.inv(np.linalg.cholesky(side.Lambda))  # root^T root is the covariance
    side.mu = rng.standard_normal(side.size) @ root / np.sqrt(side.beta_0)
    effects = torch.zeros_like(side.embeddings)
    for block in side.blocks:
        block.Lambda_beta = precision(block.prior_precision)
        within = np.linalg.inv(np.linalg.cholesky(block.Lambda_beta))
        block.rotated_beta = torch.from_numpy(rng.standard_normal(tuple(block.rotated_beta.shape)) @ within)
        block.effects = block.projected @ block.rotated_beta.float()
        effects += block.effects
    own = torch.from_numpy(side.mu + rng.standard_normal((len(effects), side.size)) @ root)
    side.embeddings = (effects + own).float()


def draw_from_prior(sampler: Sampler, rng: np.random.Generator) -> None:
    draw_side_from_prior(sampler.users, rng)
    draw_side_from_prior(sampler.movies, rng)
    likelihood = sampler.likelihood
    likelihood.tau = torch.from_numpy(rng.gamma(5.0, 1 / 5.0, len(likelihood.tau)))
    if hasattr(likelihood, "cuts"):
        likelihood.cuts = np.sort(rng.normal(scale=CUT_SPREAD, size=len(LEVELS) - 1))
    else:
        likelihood.alpha = rng.gamma(1.0, 1.0)


def statistics(sampler: Sampler) -> dict[str, float]:
    """Functions of parameters and data whose means are compared, tamed so that their variances are finite."""
    found = {"score": np.tanh(scores_of(sampler)).mean(), "score^2": np.tanh(np.square(scores_of(sampler))).mean()}
    for name, side in (("users", sampler.users), ("movies", sampler.movies)):
        rated = side.embeddings[side.view.rated].numpy()
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
            found[f"{name}: log spread of features {number}"] = np.log(np.square(block.rotated_beta.numpy()).mean())
    likelihood, view = sampler.likelihood, sampler.users.view
    share = (view.counts / view.counts.sum()).numpy()
    rated = (view.others < view.empty).numpy()
    found["user noise"] = np.log(likelihood.tau.numpy()) @ share
    found["noise"] = np.log(likelihood.root_alpha.numpy()) @ share
    found["data"] = np.tanh(likelihood.user_targets.numpy()[rated]).mean()
    if hasattr(likelihood, "cuts"):
        found["lowest cut"], found["cuts apart"] = likelihood.cuts[0], np.log(np.diff(likelihood.cuts)).mean()
        found["best rated"] = (view.values.numpy()[rated] == 2).mean()
    return found


def table(states: Iterator[Sampler], of: Callable[[Sampler], dict[str, float]]) -> tuple[list[str], np.ndarray]:
    rows = [of(state) for state in states]
    return list(rows[0]), np.array([list(row.values()) for row in rows])


def from_priors(sampler: Sampler, seed: int) -> Iterator[Sampler]:
    rng = np.random.default_rng(seed)
    for number in range(INDEPENDENT):
        draw_from_prior(sampler, rng)
        draw_data(sampler, Stream(seed, number, 0))
        yield sampler


def from_chains(sampler: Sampler, seed: int) -> Iterator[Sampler]:
    rng = np.random.default_rng(seed)
    for number in range(CHAINS * SWEEPS):
        if number % SWEEPS == 0:
            draw_from_prior(sampler, rng)
            draw_data(sampler, Stream(seed, number, 0))
        list(sampler.sweep(number))
        draw_data(sampler, Stream(seed, number, 1))
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
