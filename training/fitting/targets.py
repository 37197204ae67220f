"""What a network is fitted to: ratings or likes, and the loss of each."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from handlers.recommender.model.link import Link, Ordinal

from ..config import Settings
from ..interactions import Interactions

NEGATIVES = 4  # random dislikes for every like of a log without ratings

Loss = Callable[[Tensor, Tensor], Tensor]  # raw scores [B] and targets [B] to their mean loss


def likes_of(ratings: np.ndarray, settings: Settings) -> np.ndarray:
    """1 for a like (a rating above the threshold, or a row without one), 0 for none. float32 [n]."""
    return np.where(np.isnan(ratings), np.float32(1), ratings > settings.like_above).astype(np.float32, copy=False)


def targets_of(ratings: np.ndarray, settings: Settings) -> np.ndarray:
    """What a network is fitted to: the ratings, or the likes. float32 [n]."""
    return ratings if settings.target == "rating" else likes_of(ratings, settings)


def confidences(likes: Interactions, power: float) -> np.ndarray:
    """How sure each like is, beside the mean: ``weights ** power``, divided by its mean. float32 [n].

    The constant before the power (alpha in Hu, Koren and Volinsky, Collaborative Filtering for Implicit Feedback
    Datasets, ICDM 2008) is one over ``Settings.unobserved_weight``: how much likes weigh beside all pairs.
    """
    if likes.weights is None or power == 0:
        return np.ones(len(likes), np.float32)
    powers = likes.weights.astype(np.float64) ** power
    return (powers / powers.mean()).astype(np.float32)


def loss_of(settings: Settings, link: Link | None = None) -> Loss:
    """Mean squared error for ratings, cross-entropy of logits for likes, an ordinal link's negative log likelihood."""
    if isinstance(link, Ordinal):
        return lambda raw, ratings: link.negative_log_likelihood(raw, ratings).mean()
    return functional.mse_loss if settings.target == "rating" else functional.binary_cross_entropy_with_logits


def with_negatives(
    users: Tensor, movies: Tensor, targets: Tensor, movie_count: int, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Likes, and for every like ``NEGATIVES`` movies drawn at random as dislikes: a log of likes has no others.

    ``movie_count``: how many rows movies have, the unknown one (0, which is not drawn) included.
    """
    count = len(users) * NEGATIVES
    drawn = torch.randint(1, movie_count, (count,), generator=generator).to(movies)
    return (
        torch.cat([users, users.repeat(NEGATIVES)]),
        torch.cat([movies, drawn]),
        torch.cat([targets, targets.new_zeros(count)]),
    )
