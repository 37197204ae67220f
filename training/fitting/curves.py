"""What a fit went through."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ..errors import MendableError

OnEpoch = Callable[[int, float, float | None], None]


class DivergedError(MendableError):
    """The loss is not finite any more."""


@dataclass
class Curves:
    """Losses by epoch."""

    train: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)

    @property
    def best_epoch(self) -> int:
        """The epoch (from 1) with the lowest validation loss, or the last one where there is none."""
        return 1 + int(np.argmin(self.validation)) if self.validation else len(self.train)
