"""Maximal marginal relevance: a list of relevant movies that are not much like each other.

Carbonell and Goldstein, "The use of MMR, diversity-based reranking", SIGIR 1998: the next movie is the one with the
largest ``(1 - diversity) * relevance - diversity * similarity``, where the similarity is that to the most similar movie
of the list so far. Ties go to the more relevant movie.

- Relevance is the number that orders lists, divided by the absolute value of the best one: the best movie has 1, and a
  movie that nothing speaks for has 0. So ``diversity`` means the same for users with few and with many ratings, and a
  list of 10 is the beginning of the list of 100.
- Similarity is the product of two movies' vectors: the score of lists of similar movies. Below zero it counts as zero.

The list is that of the whole catalogue, although few movies are looked at: those of a pool of the most relevant ones. A
movie outside the pool is worth at most ``(1 - diversity)`` times the relevance of the pool's last movie. When the best
movie of the pool is worth less than that, the pool grows. What a movie is worth never rises when the list gets longer,
so of a large pool too only a block is looked at closely: the movies that were worth most when the round began.
"""

import numpy as np
import torch
from torch import Tensor

from .topk import top

BLOCK = 256  # movies of a round: all their similarities are computed at once, and a step of the list takes 1 us
GROWTH = 4
MAX_SIMILARITIES = 1 << 24  # held at once: 64 MiB

NOTHING = np.empty(0, np.int64)


def first_pool(length: int, diversity: float) -> int:
    """How many movies to begin with. On MovieLens 100K nine of ten lists need no more, up to a diversity of 0.5."""
    return int(length * (1 + diversity + 7 * diversity**3)) + 10


def diversified(numbers: Tensor, pool: np.ndarray, vectors: Tensor, length: int, diversity: float) -> np.ndarray:
    """The rows int64 [n] of a list, best first; ``length`` of them, or fewer where there are no more movies.

    ``numbers`` [movies] order lists; -inf for what the list may not hold. ``pool``: the rows of the ``first_pool``
    largest numbers, or fewer where there are no more; best first, ties by row. ``vectors`` [movies, D].
    """
    size, listed = first_pool(length, diversity), []
    while len(pool):
        rows = torch.from_numpy(pool).to(numbers.device)
        relevance = numbers[rows]
        relevance = relevance / (abs(relevance[0].item()) or 1) * (1 - diversity)
        outside = relevance[-1].item() if len(pool) == size else -np.inf
        if _extend(listed, relevance, vectors[rows], diversity, min(length, len(pool)), outside):
            break
        size *= GROWTH
        (pool,) = top(numbers.unsqueeze(0), [NOTHING], [size])
    return pool[listed]


def _extend(
    listed: list[int], relevance: Tensor, vectors: Tensor, diversity: float, length: int, outside: float
) -> bool:
    """Add movies of a pool to a list as long as they are worth at least ``outside``; whether it reached ``length``.

    ``listed``: places in the pool. ``relevance`` [n], times ``1 - diversity``, and ``vectors`` [n, D]: of its movies.
    """
    worth, known = relevance, 0
    most = max(1, MAX_SIMILARITIES // len(worth))
    while True:
        while known < len(listed):
            new = torch.tensor(listed[known : known + most], device=worth.device)
            beside_new = torch.addmm(relevance, vectors[new], vectors.t(), alpha=-diversity).amin(0)
            worth = torch.minimum(worth, beside_new).index_fill(0, new, -torch.inf)
            known += len(new)
        block, places = np.arange(min(BLOCK, len(worth))), slice(BLOCK)
        if known:
            if worth.max().item() < outside:
                return False
            (block,) = top(worth.unsqueeze(0).clone(), [NOTHING], [BLOCK])
            block.sort()  # of two movies that are worth the same the more relevant one comes first
            places = torch.from_numpy(block).to(worth.device)
        near, alike, of_block = relevance[places], vectors[places], worth[places].cpu().numpy().copy()
        bound = max(outside, of_block.min()) if len(block) == BLOCK < len(worth) else outside
        # What each movie of the block is worth beside another one; beside itself, nothing.
        beside = torch.addmm(near, alike, alike.t(), alpha=-diversity).fill_diagonal_(-torch.inf).cpu().numpy()
        added: list[np.int64] = []
        for _ in range(length - len(listed)):
            best = of_block.argmax()
            if of_block[best] < bound:
                break
            added.append(best)
            np.minimum(of_block, beside[best], out=of_block)
        listed += block[added].tolist()
        if len(listed) == length:
            return True
