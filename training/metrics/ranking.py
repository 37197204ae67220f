"""Metrics of lists over the whole catalogue. Every held-out row is a positive; what a user has rated is left out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from handlers.recommender.model.topk import top

from ..interactions import Interactions
from ..progress import counted
from .names import Metric

USERS_A_BLOCK = 512
MOST_USERS = 10_000  # users whose lists are evaluated where nothing else is said
LENGTH = 20

Order = Callable[[np.ndarray], torch.Tensor]  # user rows [B] to what orders their lists, float [B, movies]


def measure(
    order: Order, train: Interactions, held_out: Interactions, most_users: int = MOST_USERS
) -> dict[Metric, float]:
    """Metrics of the lists that ``order`` makes of what is not in ``train``, for users with a row in ``held_out``.

    NDCG@10 and recall@20 are means over users; coverage@10 is the share of the catalogue that is in anybody's first
    ten; popularity@10 is how many rows of ``train`` a movie in them has on average. Where there are more than
    ``most_users`` users, so many are drawn at random. Empty where no held-out row has a known user and movie.
    """
    known = np.unique(held_out.user_rows[(held_out.user_rows > 0) & (held_out.movie_rows > 0)])
    if not len(known):
        return {}
    if len(known) > most_users:
        known = np.sort(np.random.default_rng(0).choice(known, most_users, replace=False))
    counts = np.bincount(train.movie_rows, minlength=train.shape[1])
    gains, recall, shown = [], [], []
    starts = range(0, len(known), USERS_A_BLOCK)
    for start in counted(starts, "lists", len(starts), "block"):
        rows = known[start : start + USERS_A_BLOCK]
        scores = order(rows)
        relevant = held_out.pairs[rows].toarray()
        relevant[:, 0] = False
        seen = train.pairs[rows].toarray() & ~relevant
        seen[:, 0] = True
        lists = top(scores, [np.flatnonzero(movies) for movies in seen], [LENGTH] * len(rows))
        for listed, wanted in zip(lists, relevant, strict=True):
            hits = wanted[listed]
            gains.append(ndcg(hits[:10], wanted.sum()))
            recall.append(hits.sum() / wanted.sum())
            shown.append(listed[:10])
    movies = np.concatenate(shown)
    return {
        Metric.NDCG: float(np.mean(gains)),
        Metric.RECALL: float(np.mean(recall)),
        Metric.COVERAGE: len(np.unique(movies)) / (len(counts) - 1),
        Metric.POPULARITY: float(counts[movies].mean()),
    }


def ndcg(hits: np.ndarray, wanted: int) -> float:
    """NDCG@10 of a list: ``hits`` bool [10 at most] says which of its places hold one of ``wanted`` movies."""
    discounts = 1 / np.log2(np.arange(2, 12))
    return float((hits * discounts[: len(hits)]).sum() / discounts[: min(10, wanted)].sum())
