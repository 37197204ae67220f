"""Maximal marginal relevance: a list of relevant movies that are not much like each other.

Carbonell and Goldstein, "The use of MMR, diversity-based reranking", SIGIR 1998: the next movie is the one with the
largest ``(1 - diversity) * relevance - diversity * similarity``, where the similarity is that to the most similar movie
of the list so far. Ties go to the more relevant movie.

- Relevance is the logarithm of ``number / best number``, of the numbers that order lists; a quotient below ``LEAST``
  counts as that. So ``diversity`` means the same for every model and user: a movie that is just like
  one of the list must have ``exp(diversity / (1 - diversity))`` times the number of one that is unlike all of them. A
  list of 10 is the beginning of the list of 100.
- Similarity is the cosine of the movies' vectors; below zero it counts as zero.

With the numbers themselves as relevance, far more movies could belong to a list: those at its end are hardly more
relevant than thousands of others, but ten times as relevant.

The list is that of the whole catalogue, although few movies are looked at: those of a pool of the most relevant ones. A
movie outside the pool is worth at most ``(1 - diversity)`` times the relevance of the pool's last movie. When the best
movie of the pool is worth less than that, the pool grows. What a movie is worth never rises when the list gets longer,
so of a large pool too only a block is looked at closely: the movies that were worth most when the round began.

A pool of ``MOST_POOL`` movies does not grow: with a diversity near 1 it would become the whole catalogue, and a list
out of a million movies would take a minute and gigabytes. Less relevant movies then enter no list.
"""

import numpy as np
import torch
from torch import Tensor

from .topk import NOTHING, top

BLOCK = 512  # movies of a round: their similarities are computed at once, and a step of the list takes 1 us
GROWTH = 2
LEAST = 1e-6
MOST_POOL = 1 << 14  # their vectors of 1,024 numbers take 64 MiB
MAX_SIMILARITIES = 1 << 24  # held at once: 64 MiB


def first_pool(length: int, diversity: float) -> int:
    """How many movies to begin with. On MovieLens 100K nine of ten lists need no more, up to a diversity of 0.5."""
    wanted = int(length * (1 + 2 * diversity + 2.5 * diversity**2) + 1500 * diversity**4) + 15
    return min(wanted, max(MOST_POOL, length))


def diversified(numbers: Tensor, pool: np.ndarray, vectors: Tensor, length: int, diversity: float) -> np.ndarray:
    """The rows int64 [n] of a list, best first; ``length`` of them, or fewer where there are no more movies.

    ``numbers`` [movies] order lists; -inf for what the list may not hold. ``pool``: the rows of the ``first_pool``
    largest numbers, or fewer where there are no more; best first, ties by row. ``vectors`` [movies, D], of any length.
    """
    size, most, listed = first_pool(length, diversity), max(MOST_POOL, length), []
    while len(pool):
        relevance = np.float32(1 - diversity) * _relevance(_taken(numbers, pool))
        outside = relevance[-1] if len(pool) == size < most else -np.inf
        units = _units(_taken(vectors, pool))
        if _extend(listed, relevance, units, diversity, min(length, len(pool)), outside):
            break
        size = min(GROWTH * size, most)
        (pool,) = top(numbers.unsqueeze(0), [NOTHING], [size])
    return pool[listed]


def _taken(table: Tensor, rows: np.ndarray) -> np.ndarray:
    """A copy of rows of a table. Of one on a CPU NumPy takes them in a quarter of torch's time."""
    if table.device.type == "cpu":
        return table.numpy()[rows]
    return table[torch.from_numpy(rows).to(table.device)].cpu().numpy()


def _relevance(numbers: np.ndarray) -> np.ndarray:
    """Of movies, best first, by their numbers [n]; the same for all where no number is positive."""
    best = numbers[0]
    return np.log(np.maximum(numbers / best, np.float32(LEAST))) if best > 0 else np.zeros_like(numbers)


def _units(vectors: np.ndarray) -> np.ndarray:
    """Vectors [n, D] divided by their lengths in place, those of length zero as they are."""
    squares = np.einsum("nd,nd->n", vectors, vectors)
    vectors /= np.sqrt(np.where(squares > 0, squares, 1))[:, None]
    return vectors


def _beside(relevance: np.ndarray, units: np.ndarray, others: np.ndarray, diversity: float) -> np.ndarray:
    """What each movie is worth beside each of ``others`` [m, D]: [m, n]."""
    base, left, right = map(torch.from_numpy, (relevance, others, units))
    return torch.addmm(base, left, right.t(), alpha=-diversity).numpy()


def _within(relevance: np.ndarray, units: np.ndarray, count: int, diversity: float) -> np.ndarray:
    """What each movie of a block [n] is worth beside each of the first ``count``, and nothing beside itself: [m, n]."""
    beside = _beside(relevance, units, units[:count], diversity)
    beside.ravel()[:: len(units) + 1] = -np.inf  # nothing comes twice
    return beside


def _extend(
    listed: list[int], relevance: np.ndarray, units: np.ndarray, diversity: float, length: int, outside: float
) -> bool:
    """Add movies of a pool to a list as long as they are worth at least ``outside``; whether it reached ``length``.

    ``listed``: places in the pool. ``relevance`` [n], times ``1 - diversity``, and ``units`` [n, D]: of its movies.
    """
    worth, known = relevance, 0
    most = max(1, MAX_SIMILARITIES // len(worth))
    while True:
        while known < len(listed):
            new = listed[known : known + most]
            worth = np.minimum(worth, _beside(relevance, units, units[new], diversity).min(axis=0))
            worth[new] = -np.inf
            known += len(new)
        block = np.arange(min(BLOCK, len(worth)))
        places: np.ndarray | slice = slice(len(block))  # the same, which NumPy need not copy
        if known:
            if worth.max() < outside:
                return False
            (block,) = top(torch.from_numpy(worth.copy()).unsqueeze(0), [NOTHING], [BLOCK])
            block.sort()  # of two movies that are worth the same the more relevant one comes first
            places = block
        of_block, near = worth[places].copy(), units[places]
        bound = max(outside, of_block.min()) if len(block) == BLOCK < len(worth) else outside
        likely = len(block) if known else int(length * (1 + diversity)) + 16  # few lists reach further down
        beside = _within(relevance[places], near, likely, diversity)
        added: list[np.int64] = []
        for _ in range(length - len(listed)):
            best = of_block.argmax()
            if of_block[best] < bound:
                break
            if best >= len(beside):
                beside = _within(relevance[places], near, len(block), diversity)
            added.append(best)
            np.minimum(of_block, beside[best], out=of_block)
        listed += block[added].tolist()
        if len(listed) == length:
            return True
