"""Fitting the head that orders lists: a regression of every movie on all others, cut to low rank.

Each movie's column of the log (rated or not) is regressed on the columns of the other movies: EASE (Steck, WWW 2019),
with three changes, each chosen on validation rows of MovieLens 100K. A user counts with the root of the inverse number
of their ratings, so that few do not outvote many. A rating counts by how good it is, as an input and as a target. The
ridge grows with the fourth root of a movie's ratings. The weights B are then cut to a low rank so that what they say of
the log's users changes least (reduced-rank regression: Izenman, J. Multivariate Analysis 5, 1975): ``B V V^T``, V the
leading eigenvectors of ``B^T G B``, G the Gram matrix. That makes two encoders of it, and the lists better.

Movies are alike as far as the same people rate them: G seen through the same directions, ``V V^T G V V^T``, divided by
the roots of the two movies' own entries in G plus a shrinkage, without which what hardly anybody rates is most alike.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable

import numpy as np
import torch
from scipy import sparse
from scipy.sparse.linalg import eigsh

from handlers.recommender.archive import RANK_TABLES
from handlers.recommender.rank import RankHead

from ..config import Settings
from ..dataset import Dataset, SideData
from ..lists import Order, measure

MOST_MOVIES = 10_000  # the dense matrices of more would need minutes and gigabytes; the least rated are left out
FEATURE_RIDGE = 20.0  # users of a group that its taste is shrunk by
RATING_SLOPE = 0.5  # how much more a rating half the scale above the mean weighs, and one below it less
USER_POWER = -0.5
RIDGE_POWER = 0.25
ALIKE_SHRINKAGE = 20.0  # in average movies' own entries

logger = logging.getLogger(__name__)


def fit(dataset: Dataset, index: np.ndarray, settings: Settings) -> RankHead:
    """The head for the rows ``index``, with the first of the settings' ridges and widths."""
    return _Regression(dataset, index).head(settings.list_ridges[0], settings.list_widths[0])


def choose(dataset: Dataset, train: np.ndarray, validation: np.ndarray, settings: Settings) -> Settings:
    """The settings with the one ridge and width whose head, fitted to the rows ``train``, makes the best lists.

    Best by NDCG@10 on the rows ``validation``. Without any, or where there is no choice, the settings as they are.
    """
    if not len(validation) or len(settings.list_ridges) == len(settings.list_widths) == 1:
        return settings
    regression, held_out = _Regression(dataset, train), dataset.take(validation)
    ndcg = {}
    for ridge in settings.list_ridges:
        widest = regression.head(ridge, max(settings.list_widths))
        for width in settings.list_widths:
            lists = measure(order(narrowed(widest, width), dataset, train), dataset, train, held_out)
            ndcg[ridge, width] = lists.get("ndcg@10", 0.0)
    ridge, width = max(ndcg, key=ndcg.__getitem__)
    return dataclasses.replace(settings, list_ridges=(ridge,), list_widths=(width,))


def narrowed(head: RankHead, width: int) -> RankHead:
    """The head cut further: its columns are in the order of what they matter."""
    tables = {name: getattr(head, name)[:, :width].contiguous() for name in RANK_TABLES}
    return dataclasses.replace(head, **tables)


def order(head: RankHead, dataset: Dataset, index: np.ndarray) -> Order:
    """What orders the lists of user rows [B], float32 [B, movies], where their histories are the rows ``index``."""
    encode = encoder(head, dataset, index)
    return lambda rows: head.score_all(encode(rows))


def encoder(head: RankHead, dataset: Dataset, index: np.ndarray) -> Callable[[np.ndarray], torch.Tensor]:
    """What encodes user rows [B] as float32 [B, D], where their histories are the rows ``index``."""
    by_user = index[np.argsort(dataset.user_rows[index], kind="stable")]
    offsets = np.searchsorted(dataset.user_rows[by_user], np.arange(len(dataset.users.vocabulary) + 1))
    features, weights = torch.from_numpy(dataset.users.features), torch.from_numpy(dataset.users.weights)

    def encode(rows: np.ndarray) -> torch.Tensor:
        parts = [by_user[offsets[row] : offsets[row + 1]] for row in rows]
        histories = [(dataset.movie_rows[part], dataset.ratings[part]) for part in parts]
        return head.encode_users(histories, features[rows], weights[rows])

    return encode


class _Regression:
    """The Gram matrices of a log, from which heads of any ridge and width are made."""

    def __init__(self, dataset: Dataset, index: np.ndarray) -> None:
        users, movies = dataset.user_rows[index], dataset.movie_rows[index]
        counts = np.bincount(movies, minlength=len(dataset.movies.vocabulary))
        self.rows = len(counts)
        self.kept = np.flatnonzero(counts)
        if len(self.kept) > MOST_MOVIES:
            logger.warning(
                "%d movies were rated: lists hold the %d most rated, the others come last", len(self.kept), MOST_MOVIES
            )
            self.kept = np.sort(np.argsort(-counts, kind="stable")[:MOST_MOVIES])
        self.weight = _weight(dataset.ratings[index])
        ratings = dataset.ratings[index]
        shares = np.where(np.isnan(ratings), 1.0, self.weight[0] + self.weight[1] * ratings)
        shape = len(dataset.users.vocabulary), self.rows
        rated = sparse.csr_array((shares, (users, movies)), shape)[:, self.kept]
        sizes = np.bincount(users, minlength=shape[0])
        power = np.where(sizes > 0, np.maximum(sizes, 1.0) / sizes[sizes > 0].mean(), np.inf) ** USER_POWER
        self.gram = ((sparse.diags_array(power) @ rated).T @ rated).toarray()  # [kept, kept]
        self.people = _people(dataset.users, rated, sizes > 0)

    def head(self, ridge: float, width: int) -> RankHead:
        own = np.diag(self.gram)
        inverse = np.linalg.inv(self.gram + np.diag(ridge * (own / own.mean()) ** RIDGE_POWER))
        weights = inverse / -np.diag(inverse)
        np.fill_diagonal(weights, 0)  # no movie may explain itself
        directions = _leading(weights.T @ self.gram @ weights, width)
        return RankHead(
            inputs=self._table(weights @ directions),
            items=self._table(directions),
            people=torch.from_numpy(np.ascontiguousarray(self.people @ directions, dtype=np.float32)),
            alike=self._table(self._alike(directions)),
            weight=self.weight,
        )

    def _alike(self, directions: np.ndarray) -> np.ndarray:
        own = np.diag(self.gram)
        values, vectors = np.linalg.eigh(directions.T @ self.gram @ directions)
        root = vectors[:, ::-1] * np.sqrt(np.maximum(values[::-1], 0))
        return directions @ root / np.sqrt(own + ALIKE_SHRINKAGE * own.mean())[:, None]

    def _table(self, values: np.ndarray) -> torch.Tensor:
        table = np.zeros((self.rows, values.shape[1]), np.float32)
        table[self.kept] = values
        return torch.from_numpy(table)


def _leading(symmetric: np.ndarray, width: int) -> np.ndarray:
    """Its eigenvectors [n, width] with the largest eigenvalues first; columns of zeros where there are fewer."""
    size = len(symmetric)
    if size > 4 * width:
        start = np.ones(size)  # a fixed one makes the result repeatable
        values, vectors = eigsh(symmetric, k=width, which="LA", v0=start)
    else:
        values, vectors = np.linalg.eigh(symmetric)
    vectors = vectors[:, np.argsort(-values)][:, :width]
    return np.pad(vectors, ((0, 0), (0, width - vectors.shape[1])))


def _weight(ratings: np.ndarray) -> tuple[float, float]:
    """What a rating r weighs in a history, as (a, b) of ``a + b r``: 1 for the mean, more for better ones."""
    if np.isnan(ratings).any():
        return 1.0, 0.0
    slope = 2 * RATING_SLOPE / max(float(np.ptp(ratings)), 1e-6)
    return 1 - slope * float(ratings.mean()), slope


def _people(side: SideData, rated: sparse.csr_array, present: np.ndarray) -> np.ndarray:
    """[1 + feature values, kept]: a movie's weight in the average user, and how groups of users differ from it."""
    values = np.zeros((int(present.sum()), side.schema.size))
    at = np.arange(len(values))
    for column in range(side.features.shape[1]):
        np.add.at(values, (at, side.features[present, column]), side.weights[present, column])
    average = rated[present].mean(axis=0)
    centred = values.T @ rated[present] - np.outer(values.sum(axis=0), average)
    groups = np.linalg.solve(values.T @ values + FEATURE_RIDGE * np.eye(side.schema.size), centred)
    return np.concatenate([average[None], groups])
