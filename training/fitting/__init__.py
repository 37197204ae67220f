"""Building a network for a dataset and fitting it by the method that its settings name."""

from __future__ import annotations

import dataclasses
from types import ModuleType

import numpy as np
import torch

from ..config import Settings
from ..dataset import Dataset
from ..models import NETWORKS, DeepFM, Side, TwoEncoder
from ..progress import stage
from . import adam, posterior, warm
from .batches import Batches, targets_of
from .curves import Curves, DivergedError, OnEpoch, still_falls
from .fit import Fit
from .unknown import settle_unknown

__all__ = [
    "Batches",
    "Curves",
    "DivergedError",
    "Fit",
    "OnEpoch",
    "build",
    "chooses_epochs",
    "cut_short",
    "fit",
    "with_best_epoch",
]

EPOCHS = {adam: "epochs", warm: "top_epochs"}  # the setting that limits them; an average of samples has none


def build(model: str, dataset: Dataset, index: np.ndarray, settings: Settings, seed: int) -> TwoEncoder:
    """A fresh network for a dataset, centred on the mean target of the rows in ``index``."""
    torch.manual_seed(seed)
    sides = [
        Side(len(side.vocabulary), [field.size for field in side.schema.fields], settings.width)
        for side in (dataset.users, dataset.movies)
    ]
    mean = float(targets_of(dataset.ratings[index], settings).mean())
    if settings.target == "like":
        mean = float(np.log(mean / (1 - mean))) if 0 < mean < 1 else 0.0
    if model == "deepfm":
        parts = {"use_fm": settings.use_fm, "use_mlp": settings.use_mlp}
        return DeepFM(*sides, mean, settings.hidden, settings.dropout, **parts)
    return NETWORKS[model](*sides, mean)


@stage("fitting")
def fit(
    network: TwoEncoder,
    dataset: Dataset,
    train: np.ndarray,
    validation: np.ndarray | None,
    settings: Settings,
    seed: int,
    on_epoch: OnEpoch = lambda *_: None,
) -> Fit:
    """Fit ``network`` in place to the rows ``train``, its unknown rows included.

    ``validation`` rows decide when to stop, where the method needs that. Raises DivergedError for a loss that is not
    finite, SettingsError for settings that do not go together.
    """
    method = _method(type(network), dataset, settings)
    fitted = method.fit(network, dataset, train, validation, settings, seed, on_epoch)
    device = next(network.parameters()).device
    batches = Batches(dataset, train, settings, device)
    settle_unknown(network.eval(), fitted.link, dataset, batches, settings, only_initialised=method is adam)
    return fitted


def chooses_epochs(model: str, dataset: Dataset, settings: Settings) -> bool:
    """Whether a fit wants validation rows to know when to stop; an average of posterior samples does not."""
    return _method(NETWORKS[model], dataset, settings) is not posterior


def with_best_epoch(network: TwoEncoder, dataset: Dataset, settings: Settings, curves: Curves) -> Settings:
    """The settings for a fit without validation rows that runs as long as the best epoch of one with them."""
    if _method(type(network), dataset, settings) is posterior:
        return settings
    return dataclasses.replace(settings, stop_after=curves.best_epoch)


def cut_short(model: str, dataset: Dataset, settings: Settings, losses: dict[str, list[float]]) -> list[str]:
    """A warning where the ``losses`` of a fit still fell when it stopped at the most epochs that it may take."""
    name = EPOCHS.get(_method(NETWORKS[model], dataset, settings))
    if name is None or not still_falls(losses["validation"]):
        return []
    option, most = name.replace("_", "-"), getattr(settings, name)
    return [f"the validation loss still fell in the last of {most} epochs: more may be better (--{option} {2 * most})"]


def _method(kind: type[TwoEncoder], dataset: Dataset, settings: Settings) -> ModuleType:
    if settings.method == "adam" or (kind is DeepFM and not dataset.has_ratings):
        return adam  # a log of likes has no ratings to sample from
    return warm if kind is DeepFM else posterior
