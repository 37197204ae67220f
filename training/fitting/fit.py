"""What a fitting method returns."""

from __future__ import annotations

from typing import NamedTuple

import torch

from handlers.recommender.model.link import Link, Logistic, Regression

from ..config import Settings
from ..models import TwoEncoder
from .losses import Losses
from .tensors import InteractionTensors


class Fit(NamedTuple):
    """A fitted network, its losses, and what its raw scores mean."""

    network: TwoEncoder
    losses: Losses
    link: Link


@torch.no_grad()
def plain_link(network: TwoEncoder, tensors: InteractionTensors, settings: Settings) -> Link:
    """The link of a network whose raw scores are ratings, or logits of likes, fitted to the rows of ``tensors``."""
    if settings.target == "like":
        return Logistic(settings.like_above)
    ratings = tensors.targets
    errors = tensors.all_scores(network, tensors.users, tensors.movies) - ratings
    return Regression(float(ratings.min()), float(ratings.max()), max(float(errors.square().mean()), 1e-3))
