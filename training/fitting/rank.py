"""Fitting the head that orders lists: a regression of every movie on all others, cut to low rank.

Each movie's column of the log (rated or not) is regressed on the columns of the other movies: EASE (Steck, WWW 2019),
with three changes, each chosen on validation rows of MovieLens 100K. A user counts with the root of the inverse number
of their ratings, so that few do not outvote many. A rating counts by how good it is, as an input and as a target. The
ridge grows with the fourth root of a movie's ratings.

EASE inverts the Gram matrix ``G = A^T A`` of the log, movies by movies. Here the ridge's scale is taken out of A, and
the rest is replaced by its truncated singular value decomposition. The inverse is then a diagonal plus a product of low
rank (Woodbury), and the weights B are a product of low rank whose diagonal is set to zero. B is cut further, to what
changes its predictions for the log's users least (reduced-rank regression: Izenman, J. Multivariate Analysis 5, 1975):
``B V V^T``, V the leading right singular vectors of ``A B``. That gives two encoders, and better lists. No matrix of
movies by movies is formed: time and memory are linear in ratings and in movies, times the rank.

Movies are alike as far as the same people rate them: G seen through the same directions, ``V V^T G V V^T``, divided by
the roots of the two movies' own entries in G plus a shrinkage, without which what hardly anybody rates is most alike.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import torch
from scipy import sparse
from scipy.sparse.linalg import aslinearoperator

from handlers.recommender.model.files import RANK_TABLES
from handlers.recommender.model.list_ranker import ListRanker

from ..config import Settings
from ..dataset import Dataset, SideData, feature_matrix
from ..lists import Order, measure
from ..progress import counted, stage
from .svd import truncated_svd

USERS_TO_CHOOSE_BY = 2_500  # whose lists a ridge and a width are chosen by, at most
FEATURE_RIDGE = 20.0  # users of a group that its taste is shrunk by
RATING_SLOPE = 0.5  # how much more a rating half the scale above the mean weighs, and one below it less
USER_POWER = -0.5
RIDGE_POWER = 0.25
ALIKE_SHRINKAGE = 20.0  # in average movies' own entries


@stage("fitting the list ranker")
def fit(dataset: Dataset, index: np.ndarray, settings: Settings) -> ListRanker:
    """The head for the rows ``index``, with the first of the settings' ridges and widths."""
    return _Regression(dataset, index, settings.list_rank).head(settings.list_ridges[0], settings.list_widths[0])


@stage("choosing the list ranker")
def choose(dataset: Dataset, train: np.ndarray, validation: np.ndarray, settings: Settings) -> Settings:
    """The settings with the one ridge and width whose head, fitted to the rows ``train``, makes the best lists.

    Best by NDCG@10 on the rows ``validation``. Without any, or where there is no choice, the settings as they are.
    """
    if not len(validation) or len(settings.list_ridges) == len(settings.list_widths) == 1:
        return settings
    regression, held_out = _Regression(dataset, train, settings.list_rank), dataset.take(validation)
    ndcg = {}
    for ridge in counted(settings.list_ridges, "ridges", len(settings.list_ridges), "ridge"):
        widest = regression.head(ridge, max(settings.list_widths))
        for width in settings.list_widths:
            ordered = order(narrowed(widest, width), dataset, train)
            lists = measure(ordered, dataset, train, held_out, USERS_TO_CHOOSE_BY)
            ndcg[ridge, width] = lists.get("ndcg@10", 0.0)
    ridge, width = max(ndcg, key=ndcg.__getitem__)
    return dataclasses.replace(settings, list_ridges=(ridge,), list_widths=(width,))


def narrowed(head: ListRanker, width: int) -> ListRanker:
    """The head cut further: its columns are in the order of what they matter."""
    tables = {name: getattr(head, name)[:, :width].contiguous() for name in RANK_TABLES}
    return dataclasses.replace(head, **tables)


def order(head: ListRanker, dataset: Dataset, index: np.ndarray) -> Order:
    """What orders the lists of user rows [B], float32 [B, movies], where their histories are the rows ``index``."""
    encode = encoder(head, dataset, index)
    return lambda rows: head.score_all(encode(rows))


def encoder(head: ListRanker, dataset: Dataset, index: np.ndarray) -> Callable[[np.ndarray], torch.Tensor]:
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
    """A log's matrix and its truncated singular value decomposition, from which heads of any ridge and width are made.

    ``weighted`` float32 [users, kept]: A, the log of the movies that somebody rated, times the root of each user's
    weight; ``own`` [kept]: the diagonal of the Gram matrix. Of A divided by the roots of ``ridge_scale`` [kept]:
    ``singular`` [rank], ``right`` [kept, rank].
    """

    def __init__(self, dataset: Dataset, index: np.ndarray, rank: int) -> None:
        users, movies, ratings = dataset.user_rows[index], dataset.movie_rows[index], dataset.ratings[index]
        self.rows = len(dataset.movies.vocabulary)
        self.kept = np.flatnonzero(np.bincount(movies, minlength=self.rows))
        self.weight = _weight(ratings)
        shares = np.where(np.isnan(ratings), 1.0, self.weight[0] + self.weight[1] * ratings).astype(np.float32)
        shape = len(dataset.users.vocabulary), self.rows
        rated = sparse.csr_array((shares, (users, movies)), shape)[:, self.kept]
        sizes = np.bincount(users, minlength=shape[0])
        present = sizes > 0
        power = np.zeros(shape[0], np.float32)
        power[present] = (sizes[present] / sizes[present].mean()) ** (USER_POWER / 2)
        self.weighted = sparse.csr_array(sparse.diags_array(power) @ rated)
        self.own = np.bincount(self.weighted.indices, np.square(self.weighted.data, dtype=np.float64), len(self.kept))
        self.ridge_scale = (self.own / self.own.mean()) ** RIDGE_POWER
        scaled = self.weighted @ sparse.diags_array(self.ridge_scale.astype(np.float32) ** -0.5)
        self.singular, self.right = truncated_svd(aslinearoperator(sparse.csr_array(scaled)), rank)
        self.people = _people(dataset.users, rated, present)

    def head(self, ridge: float, width: int) -> ListRanker:
        """The head of one ridge, its vectors cut to ``width``."""
        left, right = self.weights(ridge)
        own = np.einsum("nk,nk->n", left, right)  # what each movie would say of itself, which it may not
        weights = aslinearoperator(left) @ aslinearoperator(right.T) - aslinearoperator(sparse.diags_array(own))
        _, directions = truncated_svd(aslinearoperator(self.weighted) @ weights, width)
        directions = np.pad(directions, ((0, 0), (0, width - directions.shape[1])))
        return ListRanker(
            inputs=self._table(weights @ directions),
            items=self._table(directions),
            people=torch.from_numpy(np.ascontiguousarray(self.people @ directions, dtype=np.float32)),
            alike=self._table(self._alike(directions)),
            weight=self.weight,
        )

    def weights(self, ridge: float) -> tuple[np.ndarray, np.ndarray]:
        """Factors [kept, rank] of the weights B: ``left @ right.T``, whose diagonal does not count.

        ``B = I - P / diag(P)`` by column, with ``P = (G + ridge * diag(ridge_scale))^-1`` (Steck, equation 8).
        """
        scale = self.ridge_scale[:, None].astype(np.float32)
        squares = np.square(self.singular, dtype=np.float64)
        shrunk = squares / (squares + ridge)
        # Of P, times the ridge and its scale. A ridge of nearly nothing leaves less than float32 can tell from zero.
        diagonal = np.maximum(1 - np.square(self.right, dtype=np.float64) @ shrunk, 1e-6)
        left = self.right / np.sqrt(scale)
        return left, (self.right * shrunk * np.sqrt(scale) / diagonal[:, None]).astype(np.float32)

    def _alike(self, directions: np.ndarray) -> np.ndarray:
        seen = self.weighted @ directions
        values, vectors = np.linalg.eigh(seen.T @ seen)
        root = vectors[:, ::-1] * np.sqrt(np.maximum(values[::-1], 0))
        return directions @ root / np.sqrt(self.own + ALIKE_SHRINKAGE * self.own.mean())[:, None]

    def _table(self, values: np.ndarray) -> torch.Tensor:
        table = np.zeros((self.rows, values.shape[1]), np.float32)
        table[self.kept] = values
        return torch.from_numpy(table)


def _weight(ratings: np.ndarray) -> tuple[float, float]:
    """What a rating r weighs in a history, as (a, b) of ``a + b r``: 1 for the mean, more for better ones."""
    if np.isnan(ratings).any() or np.ptp(ratings) == 0:
        return 1.0, 0.0
    slope = 2 * RATING_SLOPE / float(np.ptp(ratings))
    return 1 - slope * float(ratings.mean()), slope


def _people(side: SideData, rated: sparse.csr_array, present: np.ndarray) -> np.ndarray:
    """[1 + feature values, kept]: a movie's weight in the average user, and how groups of users differ from it."""
    values = feature_matrix(side)[present]
    average = rated[present].mean(axis=0)
    centred = (values.T @ rated[present]).toarray() - np.outer(values.sum(axis=0), average)
    groups = np.linalg.solve((values.T @ values).toarray() + FEATURE_RIDGE * np.eye(side.schema.size), centred)
    return np.concatenate([average[None], groups])
