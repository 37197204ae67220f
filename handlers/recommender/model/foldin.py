"""A user from ratings that come with the request, without retraining: somebody new, or a user of the log.

The new user's embedding is a MAP estimate: the likelihood is that of the model's link, the prior is Gaussian, with the
mean and covariance of the embeddings that training found. The solver takes Newton steps through the link and
Gauss-Newton steps through the network. Where the score is linear in the embedding (MF, FM) and a raw score is a
rating, the first step is the exact regularised least-squares solution; DeepFM, likes and ordinal ratings take a few.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .link import Link
from .network import Network


@dataclass(frozen=True)
class Prior:
    """What training says of a user before any rating: mean [E], precision [E, E] (E = width + 1)."""

    mean: Tensor
    precision: Tensor


MAX_STEPS = 12
BLOCK = 1 << 16  # users whose embeddings are held as float64 at once
TOLERANCE = 1e-4  # a step that reduces the negative log posterior by a smaller share than this is the last
NEGLIGIBLE = 1e-6  # a step that would reduce it by a smaller share is not taken
LINEAR = 1e-4  # standard deviations of the noise: scores that differ less from a linear forecast are linear there


class Solution(NamedTuple):
    """An embedding [E], each rating's contribution to the right-hand side [n, E], and the posterior precision [E, E].

    ``embedding - prior.mean`` is ``precision^-1 @ contributions.sum(0)`` where the solution is stationary.
    """

    embedding: Tensor
    contributions: Tensor
    precision: Tensor


def solve(
    score: Callable[[Tensor], Tensor], prior: Prior, ratings: Tensor, link: Link, start: Tensor | None = None
) -> Solution:
    """The embedding that explains ``ratings`` [n] best.

    ``score`` takes n copies of an embedding [n, E] to the raw scores [n] of the rated pairs; ``link`` says what a
    rating says of them. The first step is taken from ``start`` [E], the prior's mean where none is given.
    """

    def posterior(embedding: Tensor, raw: Tensor) -> Tensor:
        """Negative log posterior (scalar) of an embedding that gives raw scores [n]."""
        difference = embedding - prior.mean
        return link.negative_log_likelihood(raw, ratings) + 0.5 * difference @ prior.precision @ difference

    def linearised(embedding: Tensor, raw: Tensor, jacobian: Tensor) -> Solution:
        gradient, curvature = link.gradient_and_curvature(raw, ratings)
        working = gradient + curvature * (jacobian @ (embedding - prior.mean))
        precision = prior.precision + jacobian.t() @ (jacobian * curvature.unsqueeze(1))
        return Solution(embedding, jacobian * working.unsqueeze(1), precision)

    start = prior.mean if start is None else start
    raw, jacobian = with_jacobian(score, start, len(ratings))
    now = posterior(start, raw)
    solution = linearised(start, raw, jacobian)
    for _ in range(MAX_STEPS):
        step = prior.mean + torch.linalg.solve(solution.precision, solution.contributions.sum(0)) - solution.embedding
        if 0.5 * step @ solution.precision @ step <= NEGLIGIBLE * now:  # what the step would gain
            break
        # The network is only piecewise smooth (ReLU), so a full step may be too long: halve it until it improves.
        for _ in range(6):
            there = solution.embedding + step
            with torch.no_grad():
                raw_there = score(there.expand(len(ratings), -1))
            after = posterior(there, raw_there)
            if after <= now:
                break
            step = step / 2
        else:
            break
        # Derivatives take longer than all else. Those that foretold the scores are still right.
        if not torch.allclose(raw_there, raw + jacobian @ step, rtol=0, atol=LINEAR * link.noise_std):
            _, jacobian = with_jacobian(score, there, len(ratings))
        raw = raw_there
        solution = linearised(there, raw, jacobian)
        done = now - after <= TOLERANCE * after
        now = after
        if done:
            break
    return solution


def prior_that_gives(
    embedding: Tensor, score: Callable[[Tensor], Tensor], prior: Prior, ratings: Tensor, link: Link
) -> Prior:
    """The prior with the mean for which ``embedding`` [E] is what ``ratings`` [n] give; its precision is ``prior``'s.

    Where the posterior has no slope: ``mean = embedding - precision^-1 J' g``, with the scores' derivatives J [n, E]
    and the log likelihood's by the scores g [n], both at the embedding.
    """
    raw, jacobian = with_jacobian(score, embedding, len(ratings))
    gradient, _ = link.gradient_and_curvature(raw, ratings)
    return Prior(embedding - torch.linalg.solve(prior.precision, jacobian.t() @ gradient), prior.precision)


def with_jacobian(score: Callable[[Tensor], Tensor], embedding: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Scores [count] of one embedding [E], and their derivatives by it [count, E], in one backward pass."""
    with torch.enable_grad():
        copies = embedding.expand(count, -1).clone().requires_grad_()
        raw = score(copies)
        (jacobian,) = torch.autograd.grad(raw.sum(), copies)
    return raw.detach(), jacobian


def scorer(network: Network, features: Tensor, weights: Tensor, items: Tensor) -> Callable[[Tensor], Tensor]:
    """Scores of ``items`` [n, D] for n embeddings [n, E] of one person with side features [C] and weights [C]."""
    features, weights = features.expand(len(items), -1), weights.expand(len(items), -1)
    return lambda embeddings: network.score_pairs(network.encode_users(embeddings, features, weights), items)


def prior_of(embeddings: np.ndarray) -> Prior:
    """The Gaussian prior of the users' embeddings float32 [users, E] that training found.

    The empirical covariance is mixed with a tenth of its own diagonal mean, so that it can be inverted when there
    are fewer users than dimensions. Sums are of float64, a block of users at a time.
    """
    users, size = embeddings.shape
    blocks = [slice(start, start + BLOCK) for start in range(0, users, BLOCK)]
    mean = sum(embeddings[block].sum(axis=0, dtype=np.float64) for block in blocks) / users
    squares = np.zeros((size, size))
    for block in blocks:
        centred = embeddings[block] - mean
        squares += centred.T @ centred
    covariance = squares / max(users - 1, 1)
    ridge = 0.1 * max(np.trace(covariance) / size, 1e-4)
    precision = np.linalg.inv(covariance + ridge * np.eye(size))
    return Prior(torch.from_numpy(mean).float(), torch.from_numpy(precision).float())
