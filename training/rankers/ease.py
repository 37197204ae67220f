"""The model that orders lists: a regression of every movie on all others, cut to low rank.

Each movie's column of the log (rated or not) is regressed on the columns of the other movies: EASE (Steck, WWW 2019),
with three changes, each chosen on validation rows of MovieLens 100K. A user's weight is the inverse root of the number
of their ratings, so that a few active users do not outweigh the others. A rating's weight grows with its value, as an
input and as a target. The ridge grows with the fourth root of a movie's ratings.

EASE inverts the Gram matrix ``G = A^T A`` of the log, movies by movies. Here the ridge's scale is taken out of A, and
the rest is replaced by its truncated singular value decomposition. The inverse is then a diagonal plus a product of low
rank (Woodbury), and the weights B are a product of low rank whose diagonal is set to zero. B is cut further, to what
changes its predictions for the log's users least (reduced-rank regression: Izenman, J. Multivariate Analysis 5, 1975):
``B V V^T``, V the leading right singular vectors of ``A B``. That gives two encoders, and better lists. No matrix of
movies by movies is formed: time and memory are linear in ratings and in movies, times the rank.

Two movies are similar if the same users rate them: ``V V^T G V V^T``, which is G projected on the same directions,
divided by the roots of the two movies' diagonal entries in G plus a shrinkage. Without the shrinkage the most similar
movies would be those with hardly any rating.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import torch
from scipy import sparse
from scipy.sparse.linalg import aslinearoperator

from handlers.recommender.model.list_ranker import ListRanker

from ..config import Settings
from ..interactions import Interactions, SideData, feature_matrix
from ..metrics.names import Metric
from ..metrics.ranking import Order, measure
from ..progress import counted, stage
from .svd import truncated_svd

USERS_TO_CHOOSE_BY = 2_500  # whose lists a ridge and a width are chosen by, at most
FEATURE_RIDGE = 20.0  # a group of users counts as if it had so many more users of average taste
RATING_SLOPE = 0.5  # the additional weight of a rating that is half the scale above the mean
USER_POWER = -0.5
RIDGE_POWER = 0.25
GRAM_SHRINKAGE = 20.0  # times the mean of the Gram matrix's diagonal


@stage("fitting the list ranker")
def fit(train: Interactions, settings: Settings) -> ListRanker:
    """The ranker fitted to ``train``, with the first of the settings' ridges and numbers of factors."""
    return Regression(train, settings.list_components).ranker(settings.list_ridges[0], settings.list_factors[0])


@stage("choosing the list ranker")
def choose(train: Interactions, validation: Interactions, settings: Settings) -> Settings:
    """The settings with the ridge and the number of factors whose ranker, fitted to ``train``, makes the best lists.

    Best by NDCG@10 on ``validation``. Without any rows of it, or where there is no choice, the settings as they are.
    """
    if not len(validation) or len(settings.list_ridges) == len(settings.list_factors) == 1:
        return settings
    regression = Regression(train, settings.list_components)
    ndcg = {}
    for ridge in counted(settings.list_ridges, "ridges", len(settings.list_ridges), "ridge"):
        longest = regression.ranker(ridge, max(settings.list_factors))
        for n_factors in settings.list_factors:
            lists = measure(order(truncated(longest, n_factors), train), train, validation, USERS_TO_CHOOSE_BY)
            ndcg[ridge, n_factors] = lists.get(Metric.NDCG, 0.0)
    ridge, n_factors = max(ndcg, key=ndcg.__getitem__)
    return dataclasses.replace(settings, list_ridges=(ridge,), list_factors=(n_factors,))


def truncated(ranker: ListRanker, n_factors: int) -> ListRanker:
    """The ranker cut further: the first of its columns matter most."""
    return ListRanker(*(table[:, :n_factors].contiguous() for table in ranker.tables), ranker.weight)


def order(ranker: ListRanker, histories: Interactions) -> Order:
    """What orders the lists of user rows [B], float32 [B, movies], who have rated what ``histories`` say."""
    encode = encoder(ranker, histories)
    return lambda rows: ranker.score_all(encode(rows))


def encoder(ranker: ListRanker, histories: Interactions) -> Callable[[np.ndarray], torch.Tensor]:
    """What encodes user rows [B] as float32 [B, D], who have rated what ``histories`` say."""
    by_user = np.argsort(histories.user_rows, kind="stable")
    offsets = np.searchsorted(histories.user_rows[by_user], np.arange(histories.shape[0] + 1))
    features, weights = torch.from_numpy(histories.users.features), torch.from_numpy(histories.users.weights)

    def encode(rows: np.ndarray) -> torch.Tensor:
        parts = [by_user[offsets[row] : offsets[row + 1]] for row in rows]
        rated = [(histories.movie_rows[part], histories.ratings[part]) for part in parts]
        return ranker.encode_users(rated, features[rows], weights[rows])

    return encode


class Regression:
    """A log's matrix and its truncated singular value decomposition: rankers of any ridge and length are made from it.

    ``weighted`` float32 [users, kept]: A, the log of the movies that somebody rated, times the root of each user's
    weight; ``gram_diagonal`` [kept]: the diagonal of the Gram matrix. Of A divided by the roots of ``ridge_scale``
    [kept]: ``singular`` [components], ``right`` [kept, components].
    """

    def __init__(self, train: Interactions, components: int) -> None:
        users, movies, ratings = train.user_rows, train.movie_rows, train.ratings
        self.rows = len(train.movies.vocabulary)
        self.kept = np.flatnonzero(np.bincount(movies, minlength=self.rows))
        self.weight = _weight(ratings)
        shares = np.where(np.isnan(ratings), 1.0, self.weight[0] + self.weight[1] * ratings).astype(np.float32)
        shape = train.shape
        rated = sparse.csr_array((shares, (users, movies)), shape)[:, self.kept]
        sizes = np.bincount(users, minlength=shape[0])
        present = sizes > 0
        power = np.zeros(shape[0], np.float32)
        power[present] = (sizes[present] / sizes[present].mean()) ** (USER_POWER / 2)
        self.weighted = sparse.csr_array(sparse.diags_array(power) @ rated)
        self.gram_diagonal = np.bincount(
            self.weighted.indices, np.square(self.weighted.data, dtype=np.float64), len(self.kept)
        )
        self.ridge_scale = (self.gram_diagonal / self.gram_diagonal.mean()) ** RIDGE_POWER
        scaled = self.weighted @ sparse.diags_array(self.ridge_scale.astype(np.float32) ** -0.5)
        self.singular, self.right = truncated_svd(aslinearoperator(sparse.csr_array(scaled)), components)
        self.groups = _groups(train.users, rated, present)

    def ranker(self, ridge: float, n_factors: int) -> ListRanker:
        """The ranker of a ridge, its vectors cut to ``n_factors``."""
        left, right = self.weights(ridge)
        diagonal = np.einsum("nk,nk->n", left, right)  # each movie's weight for itself, which is not allowed
        weights = aslinearoperator(left) @ aslinearoperator(right.T) - aslinearoperator(sparse.diags_array(diagonal))
        _, directions = truncated_svd(aslinearoperator(self.weighted) @ weights, n_factors)
        directions = np.pad(directions, ((0, 0), (0, n_factors - directions.shape[1])))
        return ListRanker(
            inputs=self._table(weights @ directions),
            items=self._table(directions),
            cold_start=torch.from_numpy(np.ascontiguousarray(self.groups @ directions, dtype=np.float32)),
            item_similarity=self._table(self._similarity(directions)),
            weight=self.weight,
        )

    def weights(self, ridge: float) -> tuple[np.ndarray, np.ndarray]:
        """Factors [kept, components] of the weights B: ``left @ right.T``, whose diagonal does not count.

        ``B = I - P / diag(P)`` by column, with ``P = (G + ridge * diag(ridge_scale))^-1`` (Steck, equation 8).
        """
        scale = self.ridge_scale[:, None].astype(np.float32)
        squares = np.square(self.singular, dtype=np.float64)
        shrunk = squares / (squares + ridge)
        # Of P, times the ridge and its scale. A ridge of nearly nothing leaves less than float32 can tell from zero.
        diagonal = np.maximum(1 - np.square(self.right, dtype=np.float64) @ shrunk, 1e-6)
        left = self.right / np.sqrt(scale)
        return left, (self.right * shrunk * np.sqrt(scale) / diagonal[:, None]).astype(np.float32)

    def _similarity(self, directions: np.ndarray) -> np.ndarray:
        seen = self.weighted @ directions
        values, vectors = np.linalg.eigh(seen.T @ seen)
        root = vectors[:, ::-1] * np.sqrt(np.maximum(values[::-1], 0))
        return directions @ root / np.sqrt(self.gram_diagonal + GRAM_SHRINKAGE * self.gram_diagonal.mean())[:, None]

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


def _groups(side: SideData, rated: sparse.csr_array, present: np.ndarray) -> np.ndarray:
    """[1 + feature values, kept]: a movie's weight in the average user, and how groups of users differ from it."""
    values = feature_matrix(side)[present]
    average = rated[present].mean(axis=0)
    centred = (values.T @ rated[present]).toarray() - np.outer(values.sum(axis=0), average)
    groups = np.linalg.solve((values.T @ values).toarray() + FEATURE_RIDGE * np.eye(side.schema.size), centred)
    return np.concatenate([average[None], groups])
