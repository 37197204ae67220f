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
movie of the pool is worth less than that, the pool grows.
"""

import numpy as np
import torch
from torch import Tensor

from .topk import top

GROWTH = 4
SMALL = 512  # movies whose similarities are all computed at once: a step of the list then takes 1 us, not 5


def first_pool(length: int, diversity: float) -> int:
    """How many movies to begin with. On MovieLens 100K nine of ten lists need no more, up to a diversity of 0.5."""
    return int(length * (1 + diversity + 2 * diversity * diversity)) + 10


def diversified(numbers: Tensor, pool: np.ndarray, vectors: Tensor, length: int, diversity: float) -> np.ndarray:
    """The rows int64 [n] of a list, best first; ``length`` of them, or fewer where there are no more movies.

    ``numbers`` [movies] order lists; -inf for what the list may not hold. ``pool``: the rows of the ``first_pool``
    largest numbers, or fewer where there are no more; best first, ties by row. ``vectors`` [movies, D].
    """
    size, listed = first_pool(length, diversity), []
    while len(pool):
        rows = torch.from_numpy(pool).to(numbers.device)
        relevance = numbers[rows]
        relevance = relevance * ((1 - diversity) / (abs(relevance[0].item()) or 1))
        bound = relevance[-1].item() if len(pool) == size else -np.inf
        if _extended(listed, relevance, vectors[rows], diversity, min(length, len(pool)), bound):
            break
        size *= GROWTH
        (pool,) = top(numbers.unsqueeze(0), [np.empty(0, np.int64)], [size])
    return pool[listed]


def _extended(
    listed: list[int], relevance: Tensor, vectors: Tensor, diversity: float, length: int, bound: float
) -> bool:
    """Extend a list by the movies of a pool that are worth ``bound`` or more, best first; False if it stays shorter.

    ``listed``: places in the pool. ``relevance`` [n], times ``1 - diversity``, and ``vectors`` [n, D] of its movies.
    """

    def beside(places: list[int] | slice) -> np.ndarray:
        """What each movie is worth beside one of those at ``places``: [places, n]."""
        return torch.addmm(relevance, vectors[places], vectors.t(), alpha=-diversity).cpu().numpy()

    worth = relevance.cpu().numpy().copy()
    if listed:
        np.minimum(worth, beside(listed).min(axis=0), out=worth)
        worth[listed] = -np.inf
    all_pairs = beside(slice(None)) if len(worth) <= SMALL else None
    for _ in range(length - len(listed)):
        best = worth.argmax()
        if worth[best] < bound:
            return False
        listed.append(best)
        np.minimum(worth, beside([best])[0] if all_pairs is None else all_pairs[best], out=worth)
        worth[best] = -np.inf
    return True
