"""What a fit leaves."""

from __future__ import annotations

from typing import NamedTuple

import torch

from handlers.recommender.model.link import Link, Logistic, Regression

from ..config import Settings
from ..models import TwoEncoder
from .batches import Batches
from .curves import Curves


class Fit(NamedTuple):
    """A fitted network, its losses, and what its raw scores mean."""

    network: TwoEncoder
    curves: Curves
    link: Link


@torch.no_grad()
def plain_link(network: TwoEncoder, batches: Batches, settings: Settings) -> Link:
    """The link of a network whose raw scores are ratings, or logits of likes, fitted to the rows of ``batches``."""
    if settings.target == "like":
        return Logistic(settings.like_above)
    ratings = batches.targets
    errors = batches.all_scores(network, batches.users, batches.movies) - ratings
    return Regression(float(ratings.min()), float(ratings.max()), max(float(errors.square().mean()), 1e-3))
