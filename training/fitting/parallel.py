"""A step of gradient descent that the processes of ``torchrun`` take together (``training.distributed``).

All of them have the same network and draw the same batch. Each scores a share of it, and the gradients are added up. So
any number of processes fits the network that one fits, up to the order of sums (and where ``dropout`` is 0, as each
process draws for its own share what it leaves out).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .. import distributed
from ..models import TwoEncoder


class Share(NamedTuple):
    """The ``rows`` of a batch that this process scores; their mean loss times ``weight`` is its part of the batch's."""

    rows: slice
    weight: float


def share_of(count: int) -> Share:
    """This process's share of a batch of ``count`` rows: all of it, if there is one process."""
    rank, size = distributed.rank(), distributed.size()
    if rank >= count:  # none is left: a gradient of zero, so that all have the same gradients
        return Share(slice(0, 1), 0.0)
    return Share(slice(rank, None, size), len(range(rank, count, size)) / count)


@torch.no_grad()
def add_gradients(network: TwoEncoder, users: Tensor, movies: Tensor) -> None:
    """Give every process the sum of all processes' gradients.

    Of the ids' embeddings only the rows are sent that the batch has: ``users`` and ``movies`` [B], which all processes
    know. All other gradients are sent together.
    """
    if distributed.size() == 1:
        return
    tables = {}
    for side, rows in ((network.users, users), (network.items, movies)):
        tables[id(side.embeddings.weight)] = rows
    whole = []
    for parameter in network.parameters():
        if parameter.grad is None:
            continue
        if id(parameter) in tables:
            rows = tables[id(parameter)].unique()
            parameter.grad.index_copy_(0, rows.long(), distributed.total(parameter.grad.index_select(0, rows)))
        else:
            whole.append(parameter.grad)
    if whole:
        flat = distributed.total(torch.cat([gradient.flatten() for gradient in whole]))
        for gradient, part in zip(whole, flat.split([gradient.numel() for gradient in whole]), strict=True):
            gradient.copy_(part.view_as(gradient))
