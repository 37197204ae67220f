"""The losses of a fit, epoch by epoch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..errors import UserError

NOTICEABLE = 2e-4  # a loss that falls by a smaller share than this in an epoch changes no metric

OnEpoch = Callable[[int, float, float | None], None]  # told the epoch, from 1, and its two losses


class DivergedError(UserError):
    """The loss is not finite any more."""


def still_falls(losses: Sequence[float]) -> bool:
    """Whether losses by epoch end at their lowest, and noticeably below the one before."""
    return len(losses) > 1 and losses[-1] < min(losses[:-1]) and losses[-1] < (1 - NOTICEABLE) * losses[-2]


@dataclass
class Losses:
    """Losses by epoch; by sample, where posterior samples are averaged."""

    train: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)

    @property
    def best_epoch(self) -> int:
        """The epoch (from 1) with the lowest validation loss, or the last one where there is none."""
        return 1 + int(np.argmin(self.validation)) if self.validation else len(self.train)
