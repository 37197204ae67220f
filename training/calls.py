"""The work that the first process of ``torchrun`` gives to all: it runs the program, the others wait for their part.

Work is a function that goes through the steps that all processes take together (``in_step``). What the function gets is
sent by the first process, so the others need nothing of their own: no files, no options. With one process nothing is
sent.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from . import distributed
from .device import use_threads

Step = TypeVar("Step")
TYPES = (np.int32, np.int64, np.float32, np.float64)  # of arrays that travel as they are; gloo does not take all types
_given: list[Callable[..., None]] = []  # the work that the others are in the middle of; empty where they wait for some


def led(program: Callable[[], None]) -> None:
    """Run ``program`` in the first process, while the others do the work that it gives, until it ends.

    When the program ends, with or without an error, the others end too: at once if they wait for work. After an error
    within a step they are still in that step: they end with an error of their own when the first process leaves
    ``distributed.processes``.
    """
    if not distributed.is_first():
        while _do_some():
            pass
        return
    try:
        program()
    finally:
        if not _given:
            with suppress(RuntimeError):  # they may have ended already: their errors, and the program's, say more
                _send(None)
        _given.clear()


def give(work: Callable[..., None], *arguments: Any) -> None:
    """Have all other processes call ``work(*arguments)``, with as many threads as this one uses.

    ``work`` is a function of a module; it ends by ``follow``, and the first process must go through the same steps.
    """
    if distributed.size() == 1:
        return
    if not distributed.is_first():
        raise RuntimeError("the first process alone fits: the others wait in calls.led")
    if _given:
        raise RuntimeError(f"the other processes are still in {_given[0].__name__}, which ended with an error here")
    _given.append(work)
    _send((torch.get_num_threads(), work, arguments))


def in_step(steps: Iterable[Step]) -> Iterator[Step]:
    """``steps``, until the first process leaves its loop over them, by their end, by ``break`` or by an error.

    To make a step is the work of all processes together; what a loop does with it is each one's own.
    """
    for step in steps:
        try:
            yield step
        except GeneratorExit:
            distributed.agreed(False)
            _given.clear()
            raise
        if not distributed.agreed(True):
            break
    _given.clear()


def follow(steps: Iterable[Any]) -> None:
    """Take ``steps`` as long as the first process does."""
    for _ in in_step(steps):
        pass


def _do_some() -> bool:
    """Do the work that the first process gives next; False where there will be none."""
    given = _sent()
    if given is None:
        return False
    threads, work, arguments = given
    use_threads(threads)
    work(*arguments)
    return True


def _send(value: Any) -> None:
    """Send a value to all others. Its arrays and tensors travel as they are, in parts, and are not copied here."""
    if distributed.size() == 1:
        return
    file = io.BytesIO()
    pickler = _Pickler(file)
    pickler.dump(value)
    distributed.agreed(
        (file.getvalue(), [(tensor.shape, tensor.dtype, tensor.device.type) for tensor in pickler.tensors])
    )
    for tensor in pickler.tensors:
        distributed.spread(tensor)


def _sent() -> Any:
    """The value that the first process sends."""
    pickled, layouts = distributed.agreed(None)
    tensors = [torch.empty(shape, dtype=dtype, device=device) for shape, dtype, device in layouts]
    return _Unpickler(io.BytesIO(pickled), [distributed.spread(tensor) for tensor in tensors]).load()


class _Pickler(pickle.Pickler):
    """Leaves out arrays of ``TYPES`` and tensors: ``tensors``, contiguous, those that share their memory once."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self.tensors: list[Tensor] = []
        self._places: dict[tuple[Any, ...], int] = {}

    def persistent_id(self, value: Any) -> tuple[int, bool] | None:
        is_array = type(value) is np.ndarray and value.dtype in TYPES
        if not is_array and type(value) is not Tensor:
            return None
        tensor = torch.from_numpy(value) if is_array else value.detach()
        key = tensor.data_ptr(), tensor.device, tensor.dtype, tensor.shape, tensor.stride()
        if key not in self._places:
            self._places[key] = len(self.tensors)
            self.tensors.append(tensor.contiguous())
        return self._places[key], is_array


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, tensors: list[Tensor]) -> None:
        super().__init__(file)
        self.tensors = tensors

    def persistent_load(self, place: tuple[int, bool]) -> np.ndarray | Tensor:
        number, is_array = place
        return self.tensors[number].numpy() if is_array else self.tensors[number]
