"""Fitting DeepFM in two steps: its factorization machine, then the perceptron on top of it.

The machine is fitted by Gibbs sampling to ratings, and by alternating least squares to a log of likes alone.
"""

from __future__ import annotations

import dataclasses
import math
from functools import partial

import torch
from torch import Tensor

from handlers.recommender.model.link import Link, Ordinal

from ..config import Settings
from ..interactions import Interactions
from ..models import FM, DeepFM
from . import adam, als, posterior
from .fit import Fit
from .frozen import FrozenEmbeddings, FrozenParts
from .losses import OnEpoch
from .tensors import InteractionTensors

# A logistic curve of slope 1.702 / s lies within 0.01 of a normal distribution function of standard deviation s
# (Bowling et al., A logistic approximation to the cumulative normal distribution, 2009).
LOGISTIC = 1.702

# Rows, drawn at random, that the perceptron is fitted to, and that logits are centred by. The machine has seen these
# rows, so it leaves over less of them than of new ones, and a perceptron that learns from very many of them predicts
# worse: on MovieLens 1M (after 40 sweeps) the test log loss is 0.5007 with 120,000 rows, 0.5011 with 262,000, 0.5035
# with all 630,000, and 0.5010 without a perceptron.
TOP_ROWS = 1 << 17
LOGIT_ROWS = 1 << 20

# With longer vectors least squares predict worse: MF on the pairs of MovieLens 100K (fold u1, test AUC) 0.8491 with 16
# factors, 0.8438 with 32, 0.8428 with 64; DeepFM on a planted shop is as good with 32 as with 16.
LIKE_FACTORS = 32


def fit(
    network: DeepFM,
    train: Interactions,
    validation: Interactions | None,
    settings: Settings,
    seed: int,
    on_epoch: OnEpoch,
) -> Fit:
    """Fit ``network`` in place to the ratings of ``train``; the losses are those of the second step.

    The embeddings are the average of posterior samples given the ratings. For "like" they are scaled so that the
    factorization machine's score is the logit of "a rating with this mean and this noise lies above the threshold".
    The perceptron starts at zero and learns what the factorization machine leaves over of at most ``TOP_ROWS`` rows,
    the embeddings as they are.
    """
    ratings = dataclasses.replace(settings, target="rating")
    device = network.mean.device
    machine = FM(network.users, network.items, float(train.ratings.mean())).to(device)
    chooses = validation is not None
    link = posterior.fit(machine, train, None, ratings, seed, lambda *_: None, only_chooses=chooses).link
    network.mean.copy_(machine.mean)
    if settings.target == "like":
        some = InteractionTensors(train.some(LOGIT_ROWS, seed), settings, device)
        _to_logits(network, some, LOGISTIC / link.noise_std)
    ordinal = link if settings.target == "rating" and isinstance(link, Ordinal) else None
    return _with_perceptron(network, train, validation, settings, seed, on_epoch, ordinal)


def fit_to_likes(
    network: DeepFM,
    train: Interactions,
    validation: Interactions | None,
    settings: Settings,
    seed: int,
    on_epoch: OnEpoch,
) -> Fit:
    """The same for a log of likes alone: the machine's scores are logits already (``als.fit``).

    Its vectors are not longer than ``LIKE_FACTORS``; the further columns of a wider network are zero.
    """
    machine = FM(network.users, network.items, 0.0).to(network.mean.device)
    of_machine = dataclasses.replace(settings, n_factors=min(settings.n_factors, LIKE_FACTORS))
    als.fit(machine, train, None, of_machine, seed, lambda *_: None)
    network.mean.copy_(machine.mean)
    return _with_perceptron(network, train, validation, settings, seed, on_epoch, None)


def _with_perceptron(
    network: DeepFM,
    train: Interactions,
    validation: Interactions | None,
    settings: Settings,
    seed: int,
    on_epoch: OnEpoch,
    link: Link | None,
) -> Fit:
    """Fit the perceptron on top of the machine that ``network`` has."""
    for side in (network.users, network.items):
        side.requires_grad_(False)
    torch.nn.init.zeros_(network.rest[-1].weight)
    on_top = dataclasses.replace(settings, epochs=settings.top_epochs)
    frozen = partial(FrozenEmbeddings, FrozenParts.of(network, train))
    fitted = adam.fit(network, train.some(TOP_ROWS, seed), validation, on_top, seed, on_epoch, link, frozen)
    for side in (network.users, network.items):
        side.requires_grad_(True)
    return fitted


@torch.no_grad()
def _to_logits(network: DeepFM, tensors: InteractionTensors, slope: float) -> None:
    """Multiply the factorization machine's scores by ``slope`` and shift them to the share of likes in ``tensors``."""
    for side in (network.users, network.items):
        for table in (side.embeddings, side.features):
            table.weight[:, :-1] *= math.sqrt(slope)
            table.weight[:, -1] *= slope
    network.mean.zero_()
    machine = FM(network.users, network.items, 0.0).to(network.mean.device)
    scores = tensors.all_scores(machine, tensors.users, tensors.movies)
    network.mean.copy_(_shift(scores, tensors.targets.mean()))


def _shift(logits: Tensor, share: Tensor) -> Tensor:
    """The constant [] that makes the mean of ``sigmoid(logits + constant)`` equal ``share``, by bisection."""
    low, high = torch.tensor(-50.0), torch.tensor(50.0)
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if (logits + middle).sigmoid().mean() > share else (middle, high)
    return middle
