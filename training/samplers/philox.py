"""Random numbers by counter: each is a function of what it is for, so how work is divided does not change it.

Philox4x32-10 of Salmon, Moraes, Dror and Shaw, Parallel Random Numbers: As Easy as 1, 2, 3, SC 2011, in 64-bit integer
arithmetic, the same on a CPU and a GPU. The key is the seed. The counter is: the number of the block of four words, two
rows (a user or movie and 0; or the user and the movie of a rating), and the number of the stream.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

ROUNDS = 10
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
WORD = 0xFFFFFFFF
PURPOSES = 4  # streams of a sweep
COUNTERS_AT_A_TIME = 1 << 15  # so that they stay in cache


@dataclass(frozen=True)
class Stream:
    """The random numbers of one ``sweep`` for one ``purpose`` (below 4) under a ``seed``."""

    seed: int
    sweep: int
    purpose: int

    def generator(self) -> np.random.Generator:
        """Numbers that every process draws alike: those of the hyperparameters."""
        return np.random.default_rng([self.seed, self.sweep, self.purpose])

    def normals(self, rows: Tensor, size: int) -> Tensor:
        """Standard normal numbers float64 [n, size] for ``rows`` int64 [n], by Box and Muller."""
        blocks = torch.arange(-(-size // 4), device=rows.device)
        step = max(1, COUNTERS_AT_A_TIME // len(blocks))
        return torch.cat([self._normals(part, blocks) for part in rows.split(step)])[:, :size]

    def uniforms(self, rows: Tensor, others: Tensor) -> Tensor:
        """Uniform numbers float64 above 0 and below 1 for aligned ``rows`` and ``others``, which broadcast."""
        rows, others = torch.broadcast_tensors(rows.long(), others.long())
        return _uniform(self._words(torch.zeros_like(rows), rows, others)[0])

    def _normals(self, rows: Tensor, blocks: Tensor) -> Tensor:
        words = self._words(*torch.broadcast_tensors(blocks, rows[:, None], torch.zeros_like(rows)[:, None]))
        normals = []
        for radius, angle in (words[:2], words[2:]):
            length = (-2 * _uniform(radius).log_()).sqrt_()
            turn = _uniform(angle).mul_(2 * math.pi)
            normals += [length * turn.cos(), length * turn.sin()]
        return torch.stack(normals, dim=2).flatten(1)

    def _words(self, blocks: Tensor, rows: Tensor, others: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        stream = torch.full_like(blocks, self.sweep * PURPOSES + self.purpose)
        return philox((blocks, rows, others, stream), (self.seed & WORD, self.seed >> 32))


def philox(counter: tuple[Tensor, Tensor, Tensor, Tensor], key: tuple[int, int]) -> tuple[Tensor, ...]:
    """Four random words, int64 below 2^32, for each counter of four such words."""
    first, second, third, fourth = counter
    for number in range(ROUNDS):
        keys = [(word + number * weyl) & WORD for word, weyl in zip(key, WEYL, strict=True)]
        # A product may pass 2^63 and wrap to a negative number, which has the same bits.
        left, right = first * MULTIPLIERS[0], third * MULTIPLIERS[1]
        first, second = (right >> 32).bitwise_and_(WORD).bitwise_xor_(second).bitwise_xor_(keys[0]), right & WORD
        third, fourth = (left >> 32).bitwise_and_(WORD).bitwise_xor_(fourth).bitwise_xor_(keys[1]), left & WORD
    return first, second, third, fourth


def _uniform(words: Tensor) -> Tensor:
    return words.double().add_(0.5).mul_(2.0**-32)
