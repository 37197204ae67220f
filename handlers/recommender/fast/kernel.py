"""Pairs on a CPU: the network's arithmetic in numpy, which has less overhead for each operation than torch.

A batch of 64 pairs is some twenty operations, and torch's overhead takes longer than their arithmetic. More pairs are
scored in blocks, so that a pair's sums are the same whatever other pairs come with it.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ..model.link import Link, Logistic, Regression
from ..model.network import Network

# Pairs in a block. A block is smaller where OpenBLAS would use several threads for a layer's product: it does so from
# this many multiplications on, for a matrix and for a vector.
BLOCK_SIZE = 128
MATRIX_LIMIT, VECTOR_LIMIT = 1 << 18, 9 << 10


class Kernel:
    """``network.score_pairs`` of rows of the encodings ``users`` [users, D] and ``items`` [movies, D]."""

    def __init__(self, network: Network, users: Tensor, items: Tensor) -> None:
        state = {name: tensor.numpy() for name, tensor in network.state_dict().items() if name.startswith("rest.")}
        weights = [name for name in state if name.endswith(".weight")]
        # An encoding ends with what the first layer takes.
        self.split = users.size(1) - (state[weights[0]].shape[1] if weights else 0)
        if not getattr(network, "use_mlp", True):
            weights = []
        self.layers = [(state[name].T.copy(), state.get(name.replace("weight", "bias"))) for name in weights]
        self.users, self.items = users.numpy(), items.numpy()
        self.block_size = min([BLOCK_SIZE, *(_block_size(weight) for weight, _ in self.layers)])

    def score_rows(self, rows: np.ndarray) -> np.ndarray:
        """Raw scores float32 [pairs] of user and movie rows int64 [2, pairs]."""
        return self.score(self.users.take(rows[0], axis=0), self.items.take(rows[1], axis=0))

    def score(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Raw scores float32 [pairs] of aligned encodings [pairs, D]."""
        if len(users) <= self.block_size:
            return self._block(users, items)
        blocks = [slice(start, start + self.block_size) for start in range(0, len(users), self.block_size)]
        return np.concatenate([self._block(users[block], items[block]) for block in blocks])

    def _block(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        scores = np.einsum("pd,pd->p", users[:, : self.split], items[:, : self.split])
        if not self.layers:
            return scores
        hidden = users[:, self.split :] + items[:, self.split :]
        for weight, bias in self.layers:
            np.maximum(hidden, 0, out=hidden)
            hidden = hidden @ weight
            if bias is not None:
                hidden += bias
        return scores + hidden[:, 0]


def inverse_link_of(link: Link) -> Callable[[np.ndarray], np.ndarray]:
    """``Model.inverse_link`` in numpy: raw scores float32 [pairs] to float64, six digits."""
    if isinstance(link, Regression):
        return lambda raw: raw.astype(np.float64).clip(link.low, link.high).round(6)
    if isinstance(link, Logistic):
        return lambda raw: (1 / (1 + np.exp(-raw.astype(np.float64)))).round(6)
    # Levels need the normal distribution function, which numpy does not have.
    return lambda raw: link.inverse_link(torch.from_numpy(raw).double()).round(decimals=6).numpy()


def _block_size(weight: np.ndarray) -> int:
    return (MATRIX_LIMIT if weight.shape[1] > 1 else VECTOR_LIMIT) // weight.size


def matching(network: Network, users: Tensor, items: Tensor) -> Kernel | None:
    """The kernel of a network; None where the network has another architecture, or is not on a CPU."""
    if users.device.type != "cpu":
        return None
    try:
        kernel = Kernel(network, users, items)
        rows = np.arange(min(kernel.block_size, len(users), len(items)))
        found = kernel.score_rows(np.stack([rows, rows]))
    except (AttributeError, IndexError, RuntimeError, TypeError, ValueError):
        return None
    if not kernel.block_size:
        return None  # a layer is too wide for a block of one pair
    expected = network.score_pairs(users[: len(rows)], items[: len(rows)])
    return kernel if np.allclose(found, expected.detach().numpy(), rtol=1e-4, atol=1e-4) else None
