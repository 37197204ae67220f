"""Fitting a network by gradient descent: mini-batches, weight decay by how often a row is rated, early stopping."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from handlers.recommender.model.link import Link

from .. import calls, distributed
from ..config import Settings
from ..interactions import Interactions
from ..models import TwoEncoder
from ..progress import counted
from . import parallel
from .fit import Fit, plain_link
from .losses import DivergedError, Losses, OnEpoch
from .targets import Loss, loss_of, with_negatives
from .tensors import InteractionTensors

ENTITIES_A_ROW = 16  # of a batch, at most: its rows cost as much as a step through all embeddings


def fit(
    network: TwoEncoder,
    train: Interactions,
    validation: Interactions | None,
    settings: Settings,
    seed: int,
    on_epoch: OnEpoch,
    link: Link | None = None,
    tensors_of: Callable[[Interactions, Settings, torch.device], InteractionTensors] = InteractionTensors,
) -> Fit:
    """Fit ``network`` in place to ``train``.

    With ``validation`` rows it stops after ``settings.patience`` epochs without a lower loss and keeps the best
    epoch's weights; without, it runs for ``settings.stop_after`` epochs, or for all of ``settings.epochs``. ``link``:
    what raw scores mean, where that is known before; the negative log likelihood of an Ordinal link is the loss.
    ``tensors_of``: what interactions become, and are scored by. Raises DivergedError for a loss that is not finite.
    """
    device = next(network.parameters()).device
    tensors = tensors_of(train, settings, device)
    held_out = None if validation is None else tensors_of(validation, settings, device)
    descent = network, tensors, held_out, settings, seed, link
    calls.give(_follow, *descent)
    losses, best = Losses(), None
    for epoch, (loss, validation_loss) in enumerate(calls.in_step(_epochs(*descent)), 1):
        losses.train.append(loss)
        if not np.isfinite(loss):
            raise DivergedError(f"the loss is {loss} in epoch {epoch}: try a lower --learning-rate")
        if validation_loss is not None:
            losses.validation.append(validation_loss)
            if losses.best_epoch == epoch:
                best = copy.deepcopy(network.state_dict())
        on_epoch(epoch, loss, validation_loss)
        if losses.validation and epoch - losses.best_epoch >= settings.patience:
            break
    if best is not None:
        network.load_state_dict(best)
    return Fit(network, losses, link or plain_link(network.eval(), tensors, settings))


def _follow(network: TwoEncoder, *descent: Any) -> None:
    """The epochs, in another process than the first: the arguments are those of ``_epochs``."""
    *_, seed, _ = descent
    torch.manual_seed(seed + distributed.rank())  # of dropout
    calls.follow(_epochs(network, *descent))


def _epochs(
    network: TwoEncoder,
    tensors: InteractionTensors,
    held_out: InteractionTensors | None,
    settings: Settings,
    seed: int,
    link: Link | None,
) -> Iterator[tuple[float, float | None]]:
    """Descend on ``tensors`` for as many epochs as there can be; yields each one's loss, and that of ``held_out``."""
    generator = torch.Generator().manual_seed(seed)
    loss_function = loss_of(settings, link)
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    # Fewer steps are longer ones, by the root of the batch (Malladi et al., On the SDEs and Scaling Rules for Adaptive
    # Gradient Algorithms, 2022).
    learning_rate = settings.learning_rate * (_batch_size(network, settings) / settings.batch_size) ** 0.5
    optimizer = torch.optim.Adam(parameters, lr=learning_rate, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.epochs, eta_min=learning_rate / 10)
    most = settings.epochs if held_out is not None else settings.stop_after or settings.epochs
    for _ in counted(range(most), "gradient descent", most, "epoch"):
        loss = _epoch(network, tensors, settings, loss_function, optimizer, generator)
        schedule.step()
        yield loss, None if held_out is None else evaluate_loss(network, held_out, loss_function)


def _epoch(
    network: TwoEncoder,
    tensors: InteractionTensors,
    settings: Settings,
    loss_function: Loss,
    optimizer: torch.optim.Optimizer,
    generator: torch.Generator,
) -> float:
    """One step for each batch of the rows of ``tensors``, in random order; returns their mean loss.

    A batch of a log of likes is joined by random dislikes. Each process scores its share of a batch, and all take the
    same step.
    """
    network.train()
    device = tensors.users.device
    order = torch.randperm(len(tensors), generator=generator).to(device)
    columns = (tensors.users, tensors.movies, tensors.targets)
    total = torch.zeros(1, dtype=torch.float64)
    for batch in order.split(_batch_size(network, settings)):
        users, movies, targets = (column.index_select(0, batch) for column in columns)
        if not tensors.has_ratings:
            users, movies, targets = with_negatives(users, movies, targets, len(tensors.movie_features), generator)
        optimizer.zero_grad()
        share = parallel.share_of(len(users))
        loss = share.weight * loss_function(
            tensors.scores(network, users[share.rows], movies[share.rows]), targets[share.rows]
        )
        loss.backward()
        parallel.add_gradients(network, users, movies)
        shrink(network, tensors, users, movies, settings)
        optimizer.step()
        total += loss.item() * len(batch)
    return distributed.total(total.to(device)).item() / len(tensors)


@torch.no_grad()
def shrink(network: TwoEncoder, tensors: InteractionTensors, users: Tensor, movies: Tensor, settings: Settings) -> None:
    """Add weight decay to the gradients: each embedding by how often a batch touches it, so as often as it is rated.

    The gradient of ``decay * |v|^2`` a rating, averaged over the batch.
    """
    for side, rows, features, weights in (
        (network.users, users, tensors.user_features, tensors.user_weights),
        (network.items, movies, tensors.movie_features, tensors.movie_weights),
    ):
        if side.embeddings.weight.grad is None:  # embeddings may be kept as they are (warm.py)
            continue
        ones = torch.ones_like(rows, dtype=side.embeddings.weight.dtype)
        _shrink(side.embeddings, rows, ones, settings.decay / len(users))
        if network.uses_features:
            values, shares = features.index_select(0, rows), weights.index_select(0, rows)
            _shrink(side.features, values.flatten(), shares.flatten(), settings.feature_decay / len(users))


def _shrink(table: nn.Embedding, rows: Tensor, shares: Tensor, decay: float) -> None:
    """Add the gradient of ``decay * |v|^2`` for each of ``rows`` [n], each counting as ``shares`` [n] says."""
    touched = shares.new_zeros(len(table.weight)).index_add_(0, rows, shares)
    table.weight.grad.addcmul_(touched.unsqueeze(1), table.weight, value=2 * decay)


@torch.no_grad()
def evaluate_loss(network: TwoEncoder, tensors: InteractionTensors, loss_function: Loss) -> float:
    """Mean loss over all rows of ``tensors`` (for a log of likes, beside the same random dislikes every time)."""
    network.eval()
    users, movies, targets = tensors.users, tensors.movies, tensors.targets
    if not tensors.has_ratings:
        generator = torch.Generator().manual_seed(0)
        users, movies, targets = with_negatives(users, movies, targets, len(tensors.movie_features), generator)
    share = parallel.share_of(len(users))
    scores = tensors.all_scores(network, users[share.rows], movies[share.rows])
    return distributed.total(share.weight * loss_function(scores, targets[share.rows])).item()


def _batch_size(network: TwoEncoder, settings: Settings) -> int:
    """Rows a step: ``settings.batch_size``, or more where it is small beside the tables that a step goes through.

    So an epoch is linear in the rows, however many users and movies there are.
    """
    tables = [side.embeddings.weight for side in (network.users, network.items)]
    return max(settings.batch_size, sum(len(table) for table in tables if table.requires_grad) // ENTITIES_A_ROW)
