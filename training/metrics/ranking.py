"""Metrics of lists over the whole catalogue. Every held-out row is a positive; what a user has rated is left out.

Users with training rows and users without any are not mixed: all of the latter who have the same side features get the
same list, and where time splits a log, most of its test users may be such.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from handlers.recommender.model.topk import top

from ..interactions import Interactions
from ..progress import counted
from .beyond import intra_list_diversity, novelty
from .names import Metric

USERS_A_BLOCK = 512
MOST_USERS = 10_000  # users whose lists are evaluated where nothing else is said
LENGTH = 20

Order = Callable[[np.ndarray], torch.Tensor]  # user rows [B] to what orders their lists, float [B, movies]

MakeLists = Callable[[torch.Tensor, list[np.ndarray], list[int]], list[np.ndarray]]


def users_of(train: Interactions, held_out: Interactions, cold: bool = False) -> np.ndarray:
    """User rows int64 [n], ascending: those of ``held_out``, the known ones, with a row in ``train``.

    ``cold``: those without one instead.
    """
    with_rows = np.bincount(train.user_rows, minlength=train.shape[0]) > 0
    wanted = np.bincount(held_out.user_rows, minlength=train.shape[0]) > 0
    wanted[0] = False
    return np.flatnonzero(wanted & (with_rows != cold))


def measure(
    order: Order,
    train: Interactions,
    held_out: Interactions,
    most_users: int = MOST_USERS,
    *,
    vectors: torch.Tensor | None = None,
    make: MakeLists = top,
    cold: bool = False,
) -> dict[Metric, float]:
    """Metrics of the lists that ``order`` makes of what is not in ``train``, for users with a row in ``held_out``.

    These users have a row in ``train`` too; with ``cold`` they have none (``users_of``).

    NDCG@10 and recall@20 are means over users; coverage@10 is the share of the catalogue that is in anybody's first
    ten; popularity@10 is how many rows of ``train`` a movie in them has on average, novelty@10 and diversity@10 are
    those of ``beyond.py``, the latter of ``vectors`` [movies, D] where they are given. Where there are more than
    ``most_users`` users, so many are drawn at random. Empty where no held-out row has such a user and a known movie.

    ``make`` makes the lists of what orders them: ``topk.top``, or what takes and gives the same.
    """
    known = _some_users(train, held_out, most_users, cold)
    if not len(known):
        return {}
    of_users, sizes, movies = _hits(order, train, held_out, known, make)
    counts = np.bincount(train.movie_rows, minlength=train.shape[1])
    beyond = {Metric.NOVELTY: novelty(movies, counts, np.count_nonzero(np.bincount(train.user_rows)))}
    if vectors is not None and movies[:, 1].any():
        beyond[Metric.DIVERSITY] = intra_list_diversity(movies, vectors)
    movies = movies[movies > 0]
    return {
        Metric.NDCG: float(ndcg(of_users[:, :10], sizes).mean()),
        Metric.RECALL: float((of_users.sum(axis=1) / sizes).mean()),
        Metric.COVERAGE: int(np.count_nonzero(np.bincount(movies))) / (len(counts) - 1),
        Metric.POPULARITY: float(counts[movies].mean()),
    } | beyond


def ndcg_of_users(
    order: Order, train: Interactions, held_out: Interactions, most_users: int = MOST_USERS, length: int = 10
) -> np.ndarray:
    """NDCG float64 [users] of the first ``length`` places (20 at most) of ``measure``'s lists; [0] without any."""
    users = _some_users(train, held_out, most_users)
    if not len(users):
        return np.zeros(0)
    hits, wanted, _ = _hits(order, train, held_out, users, top)
    return ndcg(hits[:, :length], wanted)


def ndcg(hits: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """NDCG@K float64 [lists]: ``hits`` bool [lists, K] are the places that hold one of ``wanted`` [lists] movies."""
    length = hits.shape[1]
    discounts = 1 / np.log2(np.arange(2, length + 2))
    return hits @ discounts / discounts.cumsum()[np.minimum(wanted, length) - 1]


def _some_users(train: Interactions, held_out: Interactions, most: int, cold: bool = False) -> np.ndarray:
    users = users_of(train, held_out.take(np.flatnonzero(held_out.movie_rows > 0)), cold)
    return users if len(users) <= most else np.sort(np.random.default_rng(0).choice(users, most, replace=False))


def _hits(
    order: Order, train: Interactions, held_out: Interactions, users: np.ndarray, make: MakeLists
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of the lists of ``users`` int64 [n], which have rows in ``held_out``: hits, how many there can be, and movies.

    bool [n, LENGTH], int64 [n] and int64 [n, 10].
    """
    hits, wanted, shown = [], [], []
    starts = range(0, len(users), USERS_A_BLOCK)
    for start in counted(starts, "lists", len(starts), "block"):
        rows = users[start : start + USERS_A_BLOCK]
        relevant = held_out.pairs[rows]
        relevant.data[relevant.indices == 0] = False
        relevant.eliminate_zeros()
        seen = train.pairs[rows] > relevant  # seen, and not held out
        left_out = [np.append(0, movies) for movies in np.split(seen.indices, seen.indptr[1:-1])]
        lists = np.zeros((len(rows), LENGTH), np.int64)  # row 0, the unknown movie, where there is nothing more
        for places, listed in zip(lists, make(order(rows), left_out, [LENGTH] * len(rows)), strict=True):
            places[: len(listed)] = listed
        hits.append(np.asarray(relevant[np.arange(len(rows))[:, None], lists].todense()))
        wanted.append(relevant.sum(axis=1))
        shown.append(lists[:, :10])
    return np.concatenate(hits), np.concatenate(wanted), np.concatenate(shown)
