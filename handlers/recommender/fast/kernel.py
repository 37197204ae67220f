"""Pairs on a CPU: the network's arithmetic in numpy, which asks less for each operation than torch does.

A batch of 64 pairs is some twenty operations whose arithmetic takes less than torch's way to each of them. More pairs
go in blocks, so that a pair's sums are the same whatever comes with it.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ..model.link import Link, Logistic, Regression

# Pairs of a block, fewer where numpy would share out a layer's product among threads (OpenBLAS does from so many
# multiplications on, with a matrix and with a vector).
MOST_PAIRS = 128
MOST_PRODUCTS, MOST_PRODUCTS_OF_VECTORS = 1 << 18, 9 << 10


class Kernel:
    """``network.score_pairs`` of rows of the encodings ``users`` [users, D] and ``items`` [movies, D]."""

    def __init__(self, network: torch.jit.ScriptModule, users: Tensor, items: Tensor) -> None:
        state = {name: tensor.numpy() for name, tensor in network.state_dict().items() if name.startswith("rest.")}
        weights = [name for name in state if name.endswith(".weight")] if getattr(network, "use_mlp", True) else []
        self.layers = [(state[name].T.copy(), state.get(name.replace("weight", "bias"))) for name in weights]
        self.split = getattr(network, "split", users.size(1))
        self.users, self.items = users.numpy(), items.numpy()
        self.most = min([MOST_PAIRS, *(_most(weight) for weight, _ in self.layers)])

    def of_rows(self, rows: np.ndarray) -> np.ndarray:
        """Raw scores float32 [pairs] of user and movie rows int64 [2, pairs]."""
        return self.scores(self.users.take(rows[0], axis=0), self.items.take(rows[1], axis=0))

    def scores(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Raw scores float32 [pairs] of aligned encodings [pairs, D]."""
        if len(users) <= self.most:
            return self._block(users, items)
        blocks = [slice(at, at + self.most) for at in range(0, len(users), self.most)]
        return np.concatenate([self._block(users[some], items[some]) for some in blocks])

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


def scale_of(link: Link) -> Callable[[np.ndarray], np.ndarray]:
    """What ``Archive.inverse_link`` does, in numpy: raw scores float32 [pairs] to float64, six digits."""
    if isinstance(link, Regression):
        return lambda raw: raw.astype(np.float64).clip(link.low, link.high).round(6)
    if isinstance(link, Logistic):
        return lambda raw: (1 / (1 + np.exp(-raw.astype(np.float64)))).round(6)
    # Levels need the normal distribution, which numpy has not.
    return lambda raw: link.inverse_link(torch.from_numpy(raw).double()).round(decimals=6).numpy()


def _most(weight: np.ndarray) -> int:
    return (MOST_PRODUCTS if weight.shape[1] > 1 else MOST_PRODUCTS_OF_VECTORS) // weight.size


def matching(network: torch.jit.ScriptModule, users: Tensor, items: Tensor) -> Kernel | None:
    """The kernel of a network; None where the network is put together in another way, or is not on a CPU."""
    if users.device.type != "cpu":
        return None
    try:
        kernel = Kernel(network, users, items)
        rows = np.arange(min(kernel.most, len(users), len(items)))
        found = kernel.of_rows(np.stack([rows, rows]))
    except (AttributeError, IndexError, RuntimeError, TypeError, ValueError):
        return None
    if not kernel.most:
        return None  # too wide for any
    expected = network.score_pairs(users[: len(rows)], items[: len(rows)])
    return kernel if np.allclose(found, expected.detach().numpy(), rtol=1e-4, atol=1e-4) else None
