"""Top-10 of a million movies, exact, one thread: ours against faiss' IndexFlatIP on vectors of the same width.

Lists are ordered by the list ranker that all models carry; DeepFM's own scores of the whole catalogue stand beside
that, against the time of their matrix products alone in the same blocks. Random vectors: no search looks at what they
are.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import faiss
import numpy as np
import torch
from torch import Tensor

from handlers.recommender.model.list_ranker import ListRanker
from handlers.recommender.model.topk import top
from training.export import by_column
from training.models.deepfm import DeepFM
from training.models.layers import Side

WIDTH = 64
HIDDEN = (64, 32)
BLOCK = 2048


@torch.no_grad()
def measure(movies: int, rounds: int) -> dict[str, dict[str, float]]:
    """Milliseconds of one list, and of what it is compared to, in turns: medians."""
    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    torch.manual_seed(0)
    found = {}
    for name, peer, pair in (("lists", "faiss", _lists), ("deepfm's scores", "their arithmetic", _scores_of_deepfm)):
        ours, theirs = _timed(*pair(movies), rounds)
        found[name] = {"ours": ours, peer: theirs, "ratio": round(ours / theirs, 2)}
    return found


def _lists(movies: int) -> tuple[Callable[[], object], Callable[[], object]]:
    items, user = torch.randn(movies, WIDTH), torch.randn(1, WIDTH)
    nothing = torch.zeros(1, WIDTH)
    ranker = ListRanker(nothing, torch.from_numpy(by_column(items.numpy())), nothing, nothing, (1.0, 0.0))
    index = faiss.IndexFlatIP(WIDTH)
    index.add(items.numpy())
    return lambda: _ten(ranker.score_all(user)), lambda: index.search(user.numpy(), 10)


def _scores_of_deepfm(movies: int) -> tuple[Callable[[], object], Callable[[], object]]:
    network = torch.jit.script(DeepFM(Side(2, [1], WIDTH), Side(2, [1], WIDTH), 3.5, HIDDEN).eval())
    width = WIDTH + 2  # with the two sides' biases
    items, user = torch.randn(movies, width + HIDDEN[0]), torch.randn(1, width + HIDDEN[0])
    vectors, hidden = items[:, :width].contiguous(), items[:, width:].contiguous()
    weights, last = torch.randn(HIDDEN), torch.randn(HIDDEN[1], 1)

    def products() -> None:
        vectors @ user[0, :width]
        for start in range(0, len(hidden), BLOCK):
            hidden[start : start + BLOCK] @ weights @ last

    return lambda: _ten(network.score_all(user, items)), products


def _ten(scores: Tensor) -> np.ndarray:
    return top(scores, [np.zeros(1, dtype=np.int64)], [10])[0]


def _timed(ours: Callable[[], object], theirs: Callable[[], object], rounds: int) -> tuple[float, float]:
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds + 1):
        for call, mine in zip((ours, theirs), times, strict=True):
            started = time.perf_counter()
            call()
            mine.append(time.perf_counter() - started)
    return tuple(round(1000 * median(some[1:]), 1) for some in times)  # the first warms up
