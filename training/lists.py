"""What lists are worth: every held-out row a positive, over the whole catalogue, what a user has rated left out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from scipy import sparse

from handlers.recommender.model.topk import top

from .dataset import Dataset
from .progress import counted

USERS_A_BLOCK = 512
MOST_USERS = 10_000  # users whose lists are evaluated where nothing else is said
LENGTH = 20

Order = Callable[[np.ndarray], torch.Tensor]  # user rows [B] to what orders their lists, float [B, movies]


def measure(
    order: Order, train: Dataset, index: np.ndarray, held_out: Dataset, most_users: int = MOST_USERS
) -> dict[str, float]:
    """``ndcg@10`` and ``recall@20``, means over users with a held-out row, of the lists that ``order`` makes.

    ``coverage@10``: the share of the catalogue that is in anybody's first ten. ``popularity@10``: how many rows of
    ``index`` a movie in them has on average. Of more than ``most_users`` users so many are drawn at random. Empty where
    no held-out row has a known user and movie.
    """
    known = np.unique(held_out.user_rows[(held_out.user_rows > 0) & (held_out.movie_rows > 0)])
    if not len(known):
        return {}
    if len(known) > most_users:
        known = np.sort(np.random.default_rng(0).choice(known, most_users, replace=False))
    counts = np.bincount(train.movie_rows[index], minlength=len(train.movies.vocabulary))
    wanted_by_user = _by_user(held_out.user_rows, held_out.movie_rows, train)
    rated_by_user = _by_user(train.user_rows[index], train.movie_rows[index], train)
    gains, recall, shown = [], [], []
    starts = range(0, len(known), USERS_A_BLOCK)
    for start in counted(starts, "lists", len(starts), "block"):
        rows = known[start : start + USERS_A_BLOCK]
        scores = order(rows)
        relevant = wanted_by_user[rows].toarray()
        relevant[:, 0] = False
        seen = rated_by_user[rows].toarray() & ~relevant
        seen[:, 0] = True
        lists = top(scores, [np.flatnonzero(its) for its in seen], [LENGTH] * len(rows))
        for listed, wanted in zip(lists, relevant, strict=True):
            hits = wanted[listed]
            gains.append(ndcg(hits[:10], wanted.sum()))
            recall.append(hits.sum() / wanted.sum())
            shown.append(listed[:10])
    movies = np.concatenate(shown)
    return {
        "ndcg@10": float(np.mean(gains)),
        "recall@20": float(np.mean(recall)),
        "coverage@10": len(np.unique(movies)) / (len(counts) - 1),
        "popularity@10": float(counts[movies].mean()),
    }


def ndcg(hits: np.ndarray, wanted: int) -> float:
    """Of a list of ten whose places ``hits`` bool [10 at most] hold one of ``wanted`` movies."""
    discounts = 1 / np.log2(np.arange(2, 12))
    return float((hits * discounts[: len(hits)]).sum() / discounts[: min(10, wanted)].sum())


def _by_user(users: np.ndarray, movies: np.ndarray, dataset: Dataset) -> sparse.csr_array:
    """bool [users, movies]: which pairs occur."""
    shape = len(dataset.users.vocabulary), len(dataset.movies.vocabulary)
    return sparse.csr_array((np.ones(len(users), bool), (users, movies)), shape)
