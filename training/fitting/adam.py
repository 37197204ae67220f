"""Fitting a network by gradient descent: mini-batches, weight decay by how often a row is rated, early stopping."""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor, nn

from handlers.recommender.model.link import Link

from ..config import Settings
from ..dataset import Dataset
from ..models import TwoEncoder
from ..progress import counted
from .batches import Batches, Loss, loss_of, with_negatives
from .curves import Curves, DivergedError, OnEpoch
from .fit import Fit, plain_link


def fit(
    network: TwoEncoder,
    dataset: Dataset,
    train: np.ndarray,
    validation: np.ndarray | None,
    settings: Settings,
    seed: int,
    on_epoch: OnEpoch,
    link: Link | None = None,
) -> Fit:
    """Fit ``network`` in place to the rows ``train``.

    With ``validation`` rows it stops after ``settings.patience`` epochs without a lower loss and keeps the best
    epoch's weights; without, it runs for ``settings.stop_after`` epochs, or for all of ``settings.epochs``. ``link``:
    what raw scores mean, where that is known before; the misfit of an Ordinal one is the loss. Raises DivergedError for
    a loss that is not finite.
    """
    device = next(network.parameters()).device
    batches = Batches(dataset, train, settings, device)
    held_out = None if validation is None else Batches(dataset, validation, settings, device)
    generator = torch.Generator().manual_seed(seed)
    loss_function = loss_of(settings, link)
    fitted = [one for one in network.parameters() if one.requires_grad]
    optimizer = torch.optim.Adam(fitted, lr=settings.learning_rate, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
        optimizer, settings.epochs, eta_min=settings.learning_rate / 10
    )
    curves, best = Curves(), None
    most = settings.epochs if held_out is not None else settings.stop_after or settings.epochs
    for epoch in counted(range(1, most + 1), "gradient descent", most, "epoch"):
        network.train()
        order = torch.randperm(len(batches), generator=generator).to(device)
        columns = (batches.users, batches.movies, batches.targets)
        shuffled = (column.index_select(0, order).split(settings.batch_size) for column in columns)
        total = 0.0
        for users, movies, targets in zip(*shuffled, strict=True):
            count = len(users)
            if not dataset.has_ratings:
                users, movies, targets = with_negatives(users, movies, targets, dataset, generator)
            loss = loss_function(batches.scores(network, users, movies), targets)
            optimizer.zero_grad()
            loss.backward()
            shrink(network, batches, users, movies, settings)
            optimizer.step()
            total += loss.item() * count
        schedule.step()
        curves.train.append(total / len(batches))
        if not np.isfinite(curves.train[-1]):
            raise DivergedError(f"the loss is {curves.train[-1]} in epoch {epoch}: try a lower --learning-rate")
        if held_out is not None:
            curves.validation.append(evaluate_loss(network, held_out, dataset, loss_function))
            if curves.best_epoch == epoch:
                best = copy.deepcopy(network.state_dict())
        on_epoch(epoch, curves.train[-1], curves.validation[-1] if curves.validation else None)
        if curves.validation and epoch - curves.best_epoch >= settings.patience:
            break
    if best is not None:
        network.load_state_dict(best)
    return Fit(network, curves, link or plain_link(network.eval(), batches, settings))


@torch.no_grad()
def shrink(network: TwoEncoder, batches: Batches, users: Tensor, movies: Tensor, settings: Settings) -> None:
    """Add weight decay to the gradients: each embedding by how often a batch touches it, so as often as it is rated.

    The gradient of ``decay * |v|^2`` a rating, averaged over the batch.
    """
    for side, rows, features, weights in (
        (network.users, users, batches.user_features, batches.user_weights),
        (network.items, movies, batches.movie_features, batches.movie_weights),
    ):
        _shrink(side.own, rows, torch.ones_like(rows, dtype=side.own.weight.dtype), settings.decay / len(users))
        if network.uses_features:
            values, shares = features.index_select(0, rows), weights.index_select(0, rows)
            _shrink(side.features, values.flatten(), shares.flatten(), settings.feature_decay / len(users))


def _shrink(table: nn.Embedding, rows: Tensor, shares: Tensor, decay: float) -> None:
    """Add the gradient of ``decay * |v|^2`` for each of ``rows`` [n], each counting as ``shares`` [n] says."""
    if table.weight.grad is not None:  # embeddings may be kept as they are (warm.py)
        touched = shares.new_zeros(len(table.weight)).index_add_(0, rows, shares)
        table.weight.grad.addcmul_(touched.unsqueeze(1), table.weight, value=2 * decay)


@torch.no_grad()
def evaluate_loss(network: TwoEncoder, batches: Batches, dataset: Dataset, loss_function: Loss) -> float:
    """Mean loss over a set of rows (for a log of likes, beside the same random dislikes every time)."""
    network.eval()
    users, movies, targets = batches.users, batches.movies, batches.targets
    if not dataset.has_ratings:
        users, movies, targets = with_negatives(users, movies, targets, dataset, torch.Generator().manual_seed(0))
    return float(loss_function(batches.all_scores(network, users, movies), targets))
