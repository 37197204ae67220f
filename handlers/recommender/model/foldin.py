"""A user that the model has never seen, from ratings that come with the request: no retraining.

The new user's own embedding is the one that explains the ratings best under the Gaussian prior of the embeddings
that training found (a MAP estimate), under the likelihood of the network's link. Newton steps through the link and
Gauss-Newton steps through the network find it: where the score is linear in the embedding (MF, FM) and a raw score is
a rating, the first is the exact regularised least-squares solution; DeepFM, likes and ordinal ratings take a few.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .link import Link


@dataclass(frozen=True)
class Prior:
    """What training says of a user before any rating: mean [E], precision [E, E] (E = width + 1)."""

    mean: Tensor
    precision: Tensor


MAX_STEPS = 12
ENOUGH = 1e-4  # a step that betters the log posterior by a smaller share than this is the last


class Solution(NamedTuple):
    """An embedding ``own`` [E] and what led there: each rating's pull on it [n, E], and the precision [E, E].

    ``own - prior.mean`` is ``precision^-1 @ pulls.sum(0)`` where the solution is stationary.
    """

    own: Tensor
    pulls: Tensor
    precision: Tensor


def solve(score: Callable[[Tensor], Tensor], prior: Prior, ratings: Tensor, link: Link) -> Solution:
    """The own embedding that explains ``ratings`` [n] best.

    ``score`` takes n copies of an embedding [n, E] to the raw scores [n] of the rated pairs; ``link`` says what a
    rating says of them.
    """

    def posterior(own: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Negative log posterior (scalar), raw scores [n] and their Jacobian [n, E]."""
        raw, jacobian = with_jacobian(score, own, len(ratings))
        away = own - prior.mean
        return link.negative_log_likelihood(raw, ratings) + 0.5 * away @ prior.precision @ away, raw, jacobian

    def linearised(own: Tensor, raw: Tensor, jacobian: Tensor) -> Solution:
        slope, curvature = link.gradient_and_curvature(raw, ratings)
        pull = slope + curvature * (jacobian @ (own - prior.mean))
        return Solution(
            own, jacobian * pull.unsqueeze(1), prior.precision + jacobian.t() @ (jacobian * curvature.unsqueeze(1))
        )

    now, raw, jacobian = posterior(prior.mean)
    solution = linearised(prior.mean, raw, jacobian)
    for _ in range(MAX_STEPS):
        step = prior.mean + torch.linalg.solve(solution.precision, solution.pulls.sum(0)) - solution.own
        # A rectifier's kinks can make a full step too long; halving it keeps the posterior from getting worse.
        for _ in range(6):
            after, raw, jacobian = posterior(solution.own + step)
            if after <= now:
                break
            step = step / 2
        else:
            break
        solution = linearised(solution.own + step, raw, jacobian)
        done = now - after <= ENOUGH * after
        now = after
        if done:
            break
    return solution


def with_jacobian(score: Callable[[Tensor], Tensor], own: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Scores [count] of one embedding [E], and their derivatives by it [count, E], in one backward pass."""
    with torch.enable_grad():
        each = own.expand(count, -1).clone().requires_grad_()
        raw = score(each)
        (jacobian,) = torch.autograd.grad(raw.sum(), each)
    return raw.detach(), jacobian


def scorer(
    network: torch.jit.ScriptModule, features: Tensor, weights: Tensor, items: Tensor
) -> Callable[[Tensor], Tensor]:
    """Scores of ``items`` [n, D] for n embeddings [n, E] of one person with side features [C] and weights [C]."""
    features, weights = features.expand(len(items), -1), weights.expand(len(items), -1)
    return lambda own: network.score_pairs(network.encode_users(own, features, weights), items)


def prior_of(own: np.ndarray) -> Prior:
    """The Gaussian prior of the embeddings ``own`` [users, E] that training found.

    The empirical covariance is mixed with a tenth of its own diagonal mean, so that it can be inverted when there
    are fewer users than dimensions.
    """
    own = own.astype(np.float64)
    covariance = np.atleast_2d(np.cov(own, rowvar=False)) if len(own) > 1 else np.zeros((own.shape[1],) * 2)
    ridge = 0.1 * max(np.trace(covariance) / own.shape[1], 1e-4)
    precision = np.linalg.inv(covariance + ridge * np.eye(own.shape[1]))
    return Prior(torch.from_numpy(own.mean(axis=0)).float(), torch.from_numpy(precision).float())
