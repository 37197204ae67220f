"""Building a network for a dataset and fitting it by the method that its settings name."""

from __future__ import annotations

import time

import numpy as np
import torch

from ..config import Settings
from ..dataset import Dataset
from ..models import NETWORKS, DeepFM, Side, TwoEncoder
from . import adam, posterior
from .batches import Batches, targets_of
from .curves import Curves, DivergedError, OnEpoch
from .unknown import settle_unknown

__all__ = ["Batches", "Curves", "DivergedError", "build", "fit"]


def build(model: str, dataset: Dataset, index: np.ndarray, settings: Settings, seed: int) -> TwoEncoder:
    """A fresh network for a dataset, centred on the mean target of the rows in ``index``."""
    torch.manual_seed(seed)
    sides = [
        Side(len(side.vocabulary), side.schema.size, side.schema.columns, settings.width)
        for side in (dataset.users, dataset.movies)
    ]
    mean = float(targets_of(dataset.ratings[index], settings).mean())
    if settings.target == "like":
        mean = float(np.log(mean / (1 - mean))) if 0 < mean < 1 else 0.0
    if model == "deepfm":
        parts = {"use_fm": settings.use_fm, "use_mlp": settings.use_mlp}
        return DeepFM(*sides, mean, settings.hidden, settings.dropout, **parts)
    return NETWORKS[model](*sides, mean)


def fit(
    network: TwoEncoder,
    dataset: Dataset,
    train: np.ndarray,
    validation: np.ndarray | None,
    settings: Settings,
    seed: int,
    on_epoch: OnEpoch = lambda *_: None,
) -> Curves:
    """Fit ``network`` in place to the rows ``train``, its unknown rows included, and return its losses.

    ``validation`` rows decide when to stop, where the method needs that. Raises DivergedError for a loss that is not
    finite, ValueError for settings that do not go together.
    """
    started = time.perf_counter()
    method = METHODS[settings.method]
    curves = method(network, dataset, train, validation, settings, seed, on_epoch)
    device = next(network.parameters()).device
    settle_unknown(network.eval(), dataset, Batches(dataset, train, settings, device), settings)
    curves.seconds = time.perf_counter() - started
    return curves


METHODS = {"adam": adam.fit, "gibbs": posterior.fit}
