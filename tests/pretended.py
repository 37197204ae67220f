"""A GPU for machines without one: real numbers on the CPU, and the rules of two devices.

PyTorch's own fake tensors know the rules too, but have no values, which training asks for all the time (losses, early
stopping, NumPy), and the CPU build can neither move a fake tensor to "cuda" nor fill one at random there.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map_only

GPU = torch.device("cuda:0")
CPU = torch.device("cpu")

_MOVES = {torch.Tensor.to, torch.Tensor.cpu, torch.Tensor.cuda}
_BETWEEN_DEVICES = {
    torch.Tensor.copy_,
    torch.Tensor.data.__set__,
    torch.Tensor.grad.__set__,
    torch._has_compatible_shallow_copy_type,
}
_INDEXING = {torch.Tensor.__getitem__, torch.Tensor.__setitem__}  # a tensor on the GPU may be indexed from the CPU
_READS = {torch.Tensor.numpy, torch.Tensor.__array__}


class MixedDevicesError(RuntimeError):
    """An operation over tensors of two devices, as a real GPU refuses it."""


class PretendedGPU(TorchFunctionMode):
    """While active, "cuda" is accepted and remembered for each tensor, and mixing it with the CPU is an error."""

    def __torch_function__(self, function: Any, types: Any, arguments: tuple = (), named: dict | None = None) -> Any:
        named = dict(named or {})
        tensors = [leaf for leaf in tree_leaves((arguments, named)) if isinstance(leaf, torch.Tensor)]
        if function == torch.Tensor.device.__get__:
            return device_of(tensors[0])
        if function == torch.Tensor.is_cuda.__get__:
            return device_of(tensors[0]) == GPU
        if function in _READS and device_of(tensors[0]) == GPU:
            raise MixedDevicesError("a tensor on the GPU cannot be read as a NumPy array: copy it to the CPU first")
        if function in _MOVES:
            return _move(function, arguments, named)
        asked = named.pop("device", None)
        if asked is not None and _named(asked) == GPU and named.get("generator") is not None:
            raise MixedDevicesError("a generator of the CPU draws nothing on the GPU")
        if function in _INDEXING and device_of(tensors[0]) == GPU:
            tensors = [leaf for leaf in (arguments[0], *arguments[2:]) if isinstance(leaf, torch.Tensor)]
        device = self._device(function, tensors) if asked is None else _named(asked)
        result = function(*arguments, **named)
        if function in _BETWEEN_DEVICES:
            if function == torch.Tensor.data.__set__:
                _label(arguments[0], device_of(arguments[1]))
            return result
        tree_map_only(torch.Tensor, lambda tensor: _label(tensor, device), result)
        return result

    def _device(self, function: Any, tensors: list[torch.Tensor]) -> torch.device:
        if function in _BETWEEN_DEVICES:
            return device_of(tensors[0])
        # A single number on the CPU goes with anything.
        devices = {device_of(tensor) for tensor in tensors if tensor.dim() > 0 or device_of(tensor) == GPU}
        if len(devices) == 2:
            raise MixedDevicesError(f"{getattr(function, '__name__', function)} over tensors of the CPU and of the GPU")
        return GPU if GPU in devices else CPU


def device_of(tensor: torch.Tensor) -> torch.device:
    """Where a tensor is, or pretends to be."""
    return getattr(tensor, "_pretended", CPU)


def _move(function: Any, arguments: tuple, named: dict) -> torch.Tensor:
    """What ``to``, ``cpu`` or ``cuda`` gives: on another device always another tensor."""
    tensor, *others = arguments
    target, dtype = device_of(tensor), tensor.dtype
    if function is not torch.Tensor.to:
        target, others, named = CPU if function is torch.Tensor.cpu else GPU, [], {}
    for other in (*others, *named.values()):
        if isinstance(other, torch.Tensor):
            target, dtype = device_of(other), other.dtype
        elif isinstance(other, str | torch.device):
            target = _named(other)
        elif isinstance(other, torch.dtype):
            dtype = other
    moved = tensor.to(dtype)
    return _label(moved.clone() if moved is tensor and target != device_of(tensor) else moved, target)


def _named(device: Any) -> torch.device:
    return GPU if torch.device(device).type == "cuda" else CPU


def _label(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    tensor._pretended = device
    return tensor
