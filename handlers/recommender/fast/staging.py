"""Copies between the host and a device: one each way for a batch, through pinned memory."""

import numpy as np
import torch
from torch import Tensor


class Staging:
    """Copies row numbers to the device and scores to the host.

    A GPU copies to and from pinned memory directly, and else through a buffer of its driver. Pinning is slow, so one
    buffer each way is kept; it grows where a batch is larger than all before. On a CPU nothing is copied.
    One batch at a time: ``to_host`` waits for the device, and then ``to_device`` may overwrite its buffer.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._rows = torch.empty(0, dtype=torch.int64)
        self._scores = torch.empty(0, dtype=torch.float64)

    def to_device(self, rows: np.ndarray) -> Tensor:
        """``rows`` int64, any shape, on the device."""
        given = torch.from_numpy(rows)
        if self.device.type == "cpu":
            return given
        self._rows = _pinned(self._rows, given.numel())
        staged = self._rows[: given.numel()].view(given.shape)
        staged.copy_(given)
        return staged.to(self.device, non_blocking=True)

    def to_host(self, scores: Tensor) -> np.ndarray:
        """``scores`` [n] float64 as an array of the host."""
        if self.device.type == "cpu":
            return scores.numpy()
        self._scores = _pinned(self._scores, scores.numel())
        staged = self._scores[: scores.numel()]
        staged.copy_(scores, non_blocking=True)
        torch.cuda.current_stream(self.device).synchronize()
        return staged.numpy().copy()  # the next batch overwrites the buffer


def _pinned(buffer: Tensor, size: int) -> Tensor:
    """``buffer``, or one that holds ``size`` numbers."""
    return buffer if buffer.numel() >= size else torch.empty(2 * size, dtype=buffer.dtype, pin_memory=True)
