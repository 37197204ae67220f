"""The processes that ``torchrun`` starts, among which the ratings are shared out; by default there is one.

In a training the first one (rank 0, ``is_first``) alone reads, evaluates, ranks and writes; the others do what it gives
them (``calls.py``). To make lists for all users, every process runs the same program (``recommend.py``). With one
process ``send`` and ``received`` are not called, and each other function gives back what it gets, so callers have one
path.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch import distributed as dist

from .errors import SettingsError

JOINING = timedelta(minutes=10)  # a process that has not come by then does not come
PATIENCE = timedelta(hours=12)  # others wait while the first process reads, evaluates and writes
BYTES_AT_A_TIME = 1 << 26  # that are spread

Value = TypeVar("Value")
_joined: list[dist.ProcessGroup] = []  # the group of all processes, with our patience; empty for one process


@contextmanager
def processes(device: torch.device) -> Iterator[None]:
    """Join the processes of ``torchrun``, which it describes in the environment, for the length of the block.

    They talk over nccl where ``device`` is a GPU, else over gloo. Does nothing where ``torchrun`` has not started us.
    A program that fits models is to be run by ``calls.led`` in the block.

    Raises SettingsError where there are more processes than GPUs here.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    if device.type == "cuda":
        local, gpus = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if local >= gpus:
            raise SettingsError(f"process {local} of this machine has no GPU: use --nproc-per-node {gpus} at most")
        torch.cuda.set_device(local)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=JOINING)
    try:
        _joined.append(dist.new_group(timeout=PATIENCE))
        yield
    finally:
        _joined.clear()
        dist.destroy_process_group()


def size() -> int:
    """How many processes there are."""
    return dist.get_world_size() if _joined else 1


def rank() -> int:
    """The number of this process, from 0."""
    return dist.get_rank() if _joined else 0


def is_first() -> bool:
    """Whether this is process 0."""
    return rank() == 0


def agreed(value: Value) -> Value:
    """The ``value`` of the first process, in all: what depends on rounding must be decided by one of them."""
    if size() == 1:
        return value
    values = [value]
    dist.broadcast_object_list(values, src=0, group=_joined[0])
    return values[0]


def spread(values: Tensor) -> Tensor:
    """Overwrite contiguous ``values`` by those of the first process (same shape and type in each), and return them."""
    if size() > 1:
        on = torch.device("cuda" if dist.get_backend(_joined[0]) == "nccl" else "cpu")
        for part in values.view(-1).split(BYTES_AT_A_TIME // values.element_size()):
            moved = part.to(on)
            dist.broadcast(moved, src=0, group=_joined[0])
            if not is_first():
                part.copy_(moved)
    return values


def send(values: Tensor, to: int) -> None:
    """Send contiguous ``values`` to one other process, which waits in ``received`` for as many of the same type."""
    dist.send(values, to, group=_joined[0])


def received(values: Tensor) -> Tensor:
    """Overwrite contiguous ``values`` by what the first process sends, and return them."""
    dist.recv(values, 0, group=_joined[0])
    return values


def everyones(value: Any) -> list[Any]:
    """The ``value`` of each process, by rank."""
    values = [value]
    if size() > 1:
        values *= size()
        dist.all_gather_object(values, value, group=_joined[0])
    return values


def wait() -> None:
    """Go on when all processes have come here."""
    everyones(None)


def total(values: Tensor) -> Tensor:
    """The sum over all processes of ``values`` (same shape in each); changes ``values``, and returns it."""
    if size() > 1:
        dist.all_reduce(values, group=_joined[0])
    return values


def gathered(rows: Tensor, counts: list[int]) -> Tensor:
    """The ``rows`` [n, ...] of all processes, one after another by rank: [sum of counts, ...].

    ``counts``: how many rows each process has; they need not be equal.
    """
    if size() == 1:
        return rows
    most = max(counts)  # gloo gathers tensors of one shape
    mine = rows.new_zeros((most, *rows.shape[1:]))
    mine[: len(rows)] = rows
    parts = [torch.empty_like(mine) for _ in counts]
    dist.all_gather(parts, mine, group=_joined[0])
    return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])
