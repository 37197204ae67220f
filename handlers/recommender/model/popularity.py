"""Popularity damping: numbers that order lists, less for movies that many have rated.

A positive number is divided by ``count ** damping``, as RP3beta does with the numbers of random walks (Christoffel,
Paudel, Newell and Bernstein, "Blockbusters and wallflowers", RecSys 2015); a negative one is multiplied by it, so that
popularity never lifts a movie. Zero stays zero: a movie that nothing speaks for enters no list because it is rare. The
mean logarithm of the counts of a list never rises with ``damping``.
"""

import numpy as np
import torch
from torch import Tensor


class Popularity:
    """How often each movie was rated: ``counts`` int64 [movies], where 0 counts as 1."""

    def __init__(self, counts: np.ndarray, device: torch.device) -> None:
        self._log_counts = torch.from_numpy(np.log(np.maximum(counts, 1)).astype(np.float32)).to(device)

    def damped(self, numbers: Tensor, damping: float) -> Tensor:
        """A copy of the ``numbers`` [movies] that order a list, as they do with a ``damping`` from 0 to 1."""
        return numbers * torch.exp(-damping * torch.copysign(self._log_counts, numbers))
