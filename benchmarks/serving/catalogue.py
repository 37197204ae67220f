"""Top-10 of a million movies, exact, one thread: ours against faiss' IndexFlatIP on vectors of the same width.

Random vectors: neither search looks at what the numbers are. The time of DeepFM's arithmetic is that of its matrix
products alone, at the rate that this machine reaches in the same blocks.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from statistics import median

import faiss
import numpy as np
import torch

from handlers.recommender.catalogue import top
from training.models.deepfm import DeepFM
from training.models.layers import Side, TwoEncoder

WIDTH = 64
BLOCK = 2048


def measure(movies: int, rounds: int) -> dict[str, dict[str, float]]:
    """Milliseconds of one list, and of what it is compared to, in turns: medians."""
    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    torch.manual_seed(0)
    sides = [Side(2, [1], WIDTH) for _ in range(2)]
    simple = torch.jit.script(TwoEncoder(*sides, 3.5).eval())
    deep = torch.jit.script(DeepFM(*sides, 3.5, (64, 32)).eval())
    found = {}
    for name, network, width in (("mf, fm", simple, WIDTH + 2), ("deepfm", deep, WIDTH + 2 + 64)):
        items, user = torch.randn(movies, width), torch.randn(1, width)
        if network is simple:
            peer, label = _faiss(items.numpy(), user.numpy()), "faiss"
        else:
            peer, label = _arithmetic(items), "its arithmetic"
        ours, theirs = _timed(partial(_ours, network, user, items), peer, rounds)
        found[name] = {"ours": ours, label: theirs, "ratio": round(ours / theirs, 2)}
    return found


@torch.no_grad()
def _ours(network: torch.jit.ScriptModule, user: torch.Tensor, items: torch.Tensor) -> np.ndarray:
    return top(network.score_all(user, items), [np.zeros(1, dtype=np.int64)], [10])[0]


def _faiss(items: np.ndarray, user: np.ndarray) -> Callable[[], object]:
    index = faiss.IndexFlatIP(items.shape[1])
    index.add(items)
    return lambda: index.search(user, 10)


def _arithmetic(items: torch.Tensor) -> Callable[[], object]:
    vectors, hidden = items[:, : WIDTH + 2].contiguous(), items[:, WIDTH + 2 :].contiguous()
    user, weights, last = torch.randn(WIDTH + 2), torch.randn(64, 32), torch.randn(32, 1)

    @torch.no_grad()
    def products() -> None:
        vectors @ user
        for start in range(0, len(hidden), BLOCK):
            hidden[start : start + BLOCK] @ weights @ last

    return products


def _timed(ours: Callable[[], object], theirs: Callable[[], object], rounds: int) -> tuple[float, float]:
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds + 1):
        for call, mine in zip((ours, theirs), times, strict=True):
            started = time.perf_counter()
            call()
            mine.append(time.perf_counter() - started)
    return tuple(round(1000 * median(some[1:]), 1) for some in times)  # the first warms up
