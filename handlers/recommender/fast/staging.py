"""What travels between the host and a device: one copy in and one out a batch, through memory that is pinned."""

import numpy as np
import torch
from torch import Tensor


class Staging:
    """Carries row numbers in and scores out.

    A GPU copies to and from pinned memory without the detour by way of a buffer of the driver's; pinning is slow, so
    one buffer each way is kept, and grows where a batch is larger than any before. On a CPU nothing is copied.
    One batch at a time: ``outward`` waits for the device, after which ``inward`` may write its buffer again.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._inward = torch.empty(0, dtype=torch.int64)
        self._outward = torch.empty(0, dtype=torch.float64)

    def inward(self, rows: np.ndarray) -> Tensor:
        """``rows`` int64, any shape, on the device."""
        given = torch.from_numpy(rows)
        if self.device.type == "cpu":
            return given
        self._inward = _pinned(self._inward, given.numel())
        staged = self._inward[: given.numel()].view(given.shape)
        staged.copy_(given)
        return staged.to(self.device, non_blocking=True)

    def outward(self, scores: Tensor) -> np.ndarray:
        """``scores`` [n] float64 as an array of the host's."""
        if self.device.type == "cpu":
            return scores.numpy()
        self._outward = _pinned(self._outward, scores.numel())
        staged = self._outward[: scores.numel()]
        staged.copy_(scores, non_blocking=True)
        torch.cuda.current_stream(self.device).synchronize()
        return staged.numpy().copy()  # the buffer is the next batch's


def _pinned(buffer: Tensor, size: int) -> Tensor:
    """``buffer``, or one that holds ``size`` numbers."""
    return buffer if buffer.numel() >= size else torch.empty(2 * size, dtype=buffer.dtype, pin_memory=True)
