"""A user that the model has never seen, from ratings that come with the request: no retraining.

The new user's own embedding is the one that explains the ratings best under the Gaussian prior of the embeddings
that training found (a MAP estimate). Gauss-Newton steps find it: where the score is linear in the embedding (MF, FM)
and the target is a rating, the first is the exact regularised least-squares solution; DeepFM and the "like" target
(where the steps are iteratively reweighted least squares) take a few.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Prior:
    """What training says of a user before any rating: mean [E], precision [E, E] (E = width + 1), noise variance."""

    mean: Tensor
    precision: Tensor
    noise: float


MAX_STEPS = 12
TOLERANCE = 1e-5


def fold_in(score: Callable[[Tensor], Tensor], prior: Prior, ratings: Tensor, like_above: float | None) -> Tensor:
    """The own embedding [E] that explains ``ratings`` [n] best.

    ``score`` takes n copies of an embedding [n, E] to the unclipped scores [n] of the rated pairs. ``like_above``:
    None where scores are ratings; else scores are logits of "rated above this".
    """
    target = ratings if like_above is None else (ratings > like_above).to(ratings.dtype)

    def posterior(own: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Negative log posterior (scalar), raw scores [n] and their Jacobian [n, E]."""
        with torch.enable_grad():
            each = own.expand(len(ratings), -1).clone().requires_grad_()
            raw = score(each)
            (jacobian,) = torch.autograd.grad(raw.sum(), each)
        raw = raw.detach()
        if like_above is None:
            misfit = (raw - target).square().sum() / (2 * prior.noise)
        else:
            misfit = torch.nn.functional.binary_cross_entropy_with_logits(raw, target, reduction="sum")
        away = own - prior.mean
        return misfit + 0.5 * away @ prior.precision @ away, raw, jacobian

    own = prior.mean
    now, raw, jacobian = posterior(own)
    for _ in range(MAX_STEPS):
        if like_above is None:
            residual, curvature = (target - raw) / prior.noise, torch.full_like(raw, 1 / prior.noise)
        else:
            chance = raw.sigmoid()
            residual, curvature = target - chance, (chance * (1 - chance)).clamp_min(1e-6)
        gradient = jacobian.t() @ residual - prior.precision @ (own - prior.mean)
        hessian = jacobian.t() @ (jacobian * curvature.unsqueeze(1)) + prior.precision
        step = torch.linalg.solve(hessian, gradient)
        if step.abs().max() < TOLERANCE:
            break
        # A rectifier's kinks can make a full step too long; halving it keeps the posterior from getting worse.
        for _ in range(8):
            after = posterior(own + step)
            if after[0] <= now:
                break
            step = step / 2
        else:
            break
        own = own + step
        now, raw, jacobian = after
    return own


def prior_of(own: np.ndarray, noise: float) -> Prior:
    """The Gaussian prior of the embeddings ``own`` [users, E] that training found.

    The empirical covariance is mixed with a tenth of its own diagonal mean, so that it can be inverted when there
    are fewer users than dimensions.
    """
    own = own.astype(np.float64)
    covariance = np.atleast_2d(np.cov(own, rowvar=False)) if len(own) > 1 else np.zeros((own.shape[1],) * 2)
    ridge = 0.1 * max(np.trace(covariance) / own.shape[1], 1e-4)
    precision = np.linalg.inv(covariance + ridge * np.eye(own.shape[1]))
    return Prior(
        torch.from_numpy(own.mean(axis=0)).float(), torch.from_numpy(precision).float(), float(max(noise, 1e-3))
    )
