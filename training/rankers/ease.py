"""The model that orders lists: a regression of every movie on all others, cut to low rank.

Each movie's column of the log (rated or not) is regressed on the columns of the other movies: EASE (Steck, WWW 2019),
with four changes, whose defaults were chosen on validation rows of MovieLens 100K. A user's weight is a power of the
number of their ratings (``list_user_power``), so that a few active users do not outweigh the others. A rating's weight
grows with its value (``list_rating_slope``), as an input and as a target. The ridge grows with a power of a movie's
weight in the log (``list_ridge_power``). What the regression says of a movie is divided by a power of this weight
(``list_dampings``), as in LinkProp (Fu et al., Revisiting Neighborhood-based Link Prediction for Collaborative
Filtering, WWW 2022); each log's validation rows choose this power.
It is multiplied by how much more popular the movie is of late (``trend.py``), where this helps on validation rows.

EASE inverts the Gram matrix ``G = A^T A`` of the log, movies by movies. Here the ridge's scale is taken out of A, and
the rest is replaced by its truncated singular value decomposition. The inverse is then a diagonal plus a product of low
rank (Woodbury), and the weights B are a product of low rank whose diagonal is set to zero. B is cut further, to what
changes its predictions for the log's users least (reduced-rank regression: Izenman, J. Multivariate Analysis 5, 1975):
``B V V^T``, V the leading right singular vectors of ``A B`` and of what users get beside it (``groups.py``). That gives
two encoders, and better lists. No matrix of movies by movies is formed: time and memory are linear in ratings and in
movies, times the rank.

Two movies are similar if the same users rate them: ``V V^T G V V^T``, which is G projected on the same directions,
divided by the roots of the two movies' diagonal entries in G plus a shrinkage. Without the shrinkage the most similar
movies would be those with hardly any rating.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from itertools import product

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from handlers.recommender.model.list_ranker import ListRanker

from ..config import Settings
from ..interactions import Interactions
from ..metrics.names import Metric
from ..metrics.ranking import LENGTH, Order, measure, ndcg_of_users
from ..progress import counted, stage
from .described import rows_of_features
from .gain import best_of_users, is_certain
from .groups import beside_ratings, of_groups
from .svd import in_threads, leading, truncated_svd
from .trend import comes_after, following, share_of_late, trend_of
from .unrated import with_unrated

USERS_TO_CHOOSE_BY = 2_500  # whose lists the settings are chosen by, at most
CHOOSING_COMPONENTS, CHOOSING_FACTORS = 1024, 256  # enough to tell which settings are better
NOISE = 0.01  # share of the NDCG@10 of validation rows that says nothing: fewer factors are then as good, and faster
FEW_COMPONENTS = 512  # enough for a few thousand movies
MOVIES_A_COMPONENT = 20  # of a larger catalogue
MOST_NUMBERS, MOST_PRODUCTS = 130_000_000, 8_000_000_000  # movies, and ratings, times components
GRAM_SHRINKAGE = 20.0  # times the mean of the Gram matrix's diagonal


@stage("fitting the list ranker")
def fit(train: Interactions, settings: Settings, regression: Regression | None = None) -> ListRanker:
    """The ranker fitted to ``train``, with the first of the settings' ridges, dampings and so on.

    ``regression``: that of ``train``, where it has been made.
    """
    regression = regression or Regression(train, settings)
    ranker = regression.ranker(settings.list_ridges[0], settings.list_dampings[0], settings.list_factors[0])
    ranker = dataclasses.replace(ranker, strength=settings.list_strengths[0])
    half_life = settings.list_half_lives[0]
    return with_unrated(following(ranker, trend_of(train, half_life)), train, share_of_late(train, half_life))


Way = tuple[float, float, float]  # ridge, damping, half-life


@stage("choosing the list ranker")
def choose(
    train: Interactions,
    validation: Interactions,
    settings: Settings,
    regression: Regression | None = None,
    always: bool = False,
) -> tuple[Settings, dict[Metric, float]]:
    """The settings with the ridge, damping, half-life, strength and number of factors whose ranker is best.

    Best by NDCG@10 of the lists of ``USERS_TO_CHOOSE_BY`` users on ``validation``, by rankers of ``CHOOSING_FACTORS``
    that are fitted to ``train``: first ridge and damping, with the first half-life; then, where any other half-life is
    better with these, all three together. The first half-life stays unless another is certainly better (``gain.py``): a
    few users may ask for what is new by chance. Others are tried only where ``validation`` comes after ``train``, as
    rows drawn at random cannot show a trend. Then the strength, by the same rule and NDCG@20: it matters to users with
    few rows, of whom a list of ten says little. Last, the fewest factors that are as good as any within ``NOISE``.
    Beside the settings the metrics of these lists. Without any rows of ``validation``, or where there is no choice, the
    settings as they are and no metrics; ``always``: metrics in the latter case too. ``regression``: that of ``train``,
    where it has been made; else one of ``CHOOSING_COMPONENTS`` at most is enough.
    """
    pairs = list(product(settings.list_ridges, settings.list_dampings))
    half_lives = settings.list_half_lives if comes_after(train, validation) else settings.list_half_lives[:1]
    strengths = settings.list_strengths
    no_choice = len(pairs) == len(half_lives) == len(strengths) == len(settings.list_factors) == 1
    if not len(validation) or (no_choice and not always):
        return settings, {}
    components = min(settings.list_components, max(CHOOSING_COMPONENTS, *settings.list_factors))
    regression = regression or Regression(train, dataclasses.replace(settings, list_components=components))
    lengths = [n_factors for n_factors in sorted(settings.list_factors) if n_factors <= len(regression.singular)]
    lengths = lengths or [min(settings.list_factors)]
    trends = {half_life: trend_of(train, half_life) for half_life in half_lives}

    def lists_of(ranker: ListRanker) -> dict[Metric, float]:
        return measure(order(ranker, train), train, validation, USERS_TO_CHOOSE_BY)

    def ndcg_of(ranker: ListRanker, length: int = 10) -> np.ndarray:
        return ndcg_of_users(order(ranker, train), train, validation, USERS_TO_CHOOSE_BY, length)

    found: dict[Way, float] = {}

    def short(ridge: float, damping: float) -> ListRanker:
        return regression.ranker(ridge, damping, min(lengths[-1], CHOOSING_FACTORS), similar=False)

    def best_of(pairs: list[tuple[float, float]], half_lives: tuple[float, ...]) -> Way:
        """The best of all that were tried with these half-lives, after trying these ``pairs`` with them."""
        for pair in counted(pairs, "ridges, dampings, half-lives", len(pairs), "choice"):
            ranker = short(*pair)
            for half_life in half_lives:
                ndcg = lists_of(following(ranker, trends[half_life])).get(Metric.NDCG, 0.0)
                found[*pair, half_life] = ndcg
        return max((way for way in found if way[2] in half_lives), key=found.__getitem__)

    way = best_of(pairs, half_lives[:1])
    if len(half_lives) > 1:
        other = best_of([way[:2]], half_lives[1:])
        if found[other] > found[way]:
            other = best_of([pair for pair in pairs if pair != way[:2]], half_lives[1:])
            if is_certain(*(ndcg_of(following(short(*each[:2]), trends[each[2]])) for each in (other, way))):
                way = other
    ridge, damping, half_life = way
    strength = strengths[0]
    if len(strengths) > 1:
        ranker = following(short(ridge, damping), trends[half_life])
        strength = best_of_users({one: ndcg_of(dataclasses.replace(ranker, strength=one), LENGTH) for one in strengths})
    longest = regression.ranker(ridge, damping, lengths[-1], similar=False)
    longest = dataclasses.replace(following(longest, trends[half_life]), strength=strength)
    tried = counted(lengths, "factors", len(lengths), "choice")
    measured = {n_factors: lists_of(truncated(longest, n_factors)) for n_factors in tried}
    ndcg = {n_factors: lists.get(Metric.NDCG, 0.0) for n_factors, lists in measured.items()}
    fewest = next(n_factors for n_factors in ndcg if ndcg[n_factors] >= (1 - NOISE) * max(ndcg.values()))
    chosen = dataclasses.replace(
        settings,
        list_ridges=(ridge,),
        list_dampings=(damping,),
        list_half_lives=(half_life,),
        list_strengths=(strength,),
        list_factors=(fewest,),
    )
    return chosen, measured[fewest]


def truncated(ranker: ListRanker, n_factors: int) -> ListRanker:
    """The ranker cut further: the first of its columns matter most."""
    tables = (table[:, :n_factors].contiguous() for table in ranker.tables)
    return ListRanker(*tables, ranker.weight, ranker.strength)


def order(ranker: ListRanker, histories: Interactions) -> Order:
    """What orders the lists of user rows [B], float32 [B, movies], who have rated what ``histories`` say."""
    encode = encoder(ranker, histories)
    return lambda rows: ranker.score_all(encode(rows))


def encoder(ranker: ListRanker, histories: Interactions) -> Callable[[np.ndarray], torch.Tensor]:
    """What encodes user rows [B] as float32 [B, D], who have rated what ``histories`` say."""
    features, weights = torch.from_numpy(histories.users.features), torch.from_numpy(histories.users.weights)

    def encode(rows: np.ndarray) -> torch.Tensor:
        block = histories.histories[rows]
        ends = block.indptr[1:-1]
        rated = list(zip(np.split(block.indices, ends), np.split(block.data, ends), strict=True))
        return ranker.encode_users(rated, features[rows], weights[rows])

    return encode


class Regression:
    """A log's matrix and its truncated singular value decomposition: rankers of any ridge and length are made from it.

    ``kept`` [kept]: the rows of the movies that somebody rated. A, float32 [users, kept], is the log of these, times
    the root of each user's weight; ``gram_diagonal`` [kept] is the diagonal of its Gram matrix, and ``own`` that of A
    with the rows of side features (``described.py``). ``groups``: what new users get, and ``beside`` [n, kept]: what
    all users get of it. Of A with those rows, divided by the roots of ``ridge_scale`` [kept]: ``singular``
    [components], ``right`` [kept, components].
    """

    def __init__(self, train: Interactions, settings: Settings) -> None:
        counts = np.bincount(train.movie_rows, minlength=train.shape[1])
        sizes = np.bincount(train.user_rows, minlength=train.shape[0])
        self.rows, self.group_rows = len(counts), 1 + train.users.schema.size
        self.kept = np.flatnonzero(counts)
        self.weight = _weight(train, settings.list_rating_slope)
        rated = self._rated(train)
        present = sizes > 0
        self.groups = of_groups(train.users, train.movies, rated, self.kept)
        self.beside = torch.from_numpy(beside_ratings(self.groups, train.users, sizes, settings.list_strengths[0]))
        power = np.zeros(len(sizes), np.float32)
        power[present] = (sizes[present] / sizes[present].mean()) ** (settings.list_user_power / 2)
        rated.data *= np.repeat(power, np.diff(rated.indptr))  # A
        squares = np.square(rated.data)
        self.gram_diagonal = np.bincount(rated.indices, squares, len(self.kept))
        self.ridge_scale = (self.gram_diagonal / self.gram_diagonal.mean()) ** settings.list_ridge_power
        self.own = self.gram_diagonal
        if settings.list_feature_weights[0] and train.movies.schema.fields:
            weight = settings.list_feature_weights[0] * self.gram_diagonal.mean()
            described = rows_of_features(train.movies, self.kept, weight)
            self.own = self.gram_diagonal + np.bincount(described.indices, np.square(described.data), len(self.kept))
            rated = sparse.vstack([rated, described], format="csr")
        rated.data *= (self.ridge_scale.astype(np.float32) ** -0.5)[rated.indices]
        components = _components(settings.list_components, len(self.kept), len(train))
        self.singular, self.right = map(torch.from_numpy, truncated_svd(in_threads(rated), components))

    def _rated(self, train: Interactions) -> sparse.csr_array:
        """float32 [users, kept]: what each rating weighs."""
        a, b = self.weight
        shares = np.where(np.isnan(train.ratings), np.float32(1), np.float32(a) + np.float32(b) * train.ratings)
        places = np.zeros(self.rows, np.int32)
        places[self.kept] = np.arange(len(self.kept))
        cells = train.user_rows.astype(np.int32), places[train.movie_rows]
        return sparse.csr_array((shares, cells), (train.shape[0], len(self.kept)))

    def ranker(self, ridge: float, damping: float, n_factors: int, similar: bool = True) -> ListRanker:
        """The ranker of a ridge and a damping, its vectors cut to ``n_factors``.

        Without ``similar`` its vectors of similar movies have no columns: lists do not need them.
        """
        left, right = self.weights(ridge)
        right *= torch.from_numpy((self.gram_diagonal / self.gram_diagonal.mean()) ** -damping).float()[:, None]
        own = (left * right).sum(1, keepdim=True)  # each movie's weight for itself, which is not allowed
        # A B, as far as the decomposition knows A, is an orthogonal matrix times ``seen``: no pass over the log.
        scaled = self.right * self._root_scale()
        seen = self.singular[:, None] * (right - scaled * own).t()  # [components, kept]
        directions = leading(torch.cat([seen, self.beside]), n_factors)
        inputs = left @ (right.t() @ directions) - own * directions
        similarity = self._similarity(directions) if similar else directions[:, :0]
        of_movies, known = (self.kept, self.rows), torch.from_numpy(self.groups.weights) @ directions
        return ListRanker(
            inputs=_table(inputs, *of_movies),
            items=_table(directions, *of_movies),
            cold_start=_table(known, self.groups.rows, self.group_rows),
            item_similarity=_table(similarity, *of_movies),
            weight=self.weight,
        )

    def weights(self, ridge: float) -> tuple[Tensor, Tensor]:
        """Factors [kept, components] of the weights B: ``left @ right.T``, whose diagonal does not count.

        ``B = I - P / diag(P)`` by column, with ``P = (G + ridge * diag(ridge_scale))^-1`` (Steck, equation 8).
        """
        squares = self.singular.double().square()
        shrunk = squares / (squares + ridge)
        # Of P, times the ridge and its scale. A ridge of nearly nothing leaves less than float32 can tell from zero.
        diagonal = (1 - self.right.square() @ shrunk.float()).clamp(min=1e-6)
        root = self._root_scale()
        return self.right / root, self.right * shrunk.float() * (root / diagonal[:, None])

    def _root_scale(self) -> Tensor:
        return torch.from_numpy(self.ridge_scale.astype(np.float32)).sqrt()[:, None]

    def _similarity(self, directions: Tensor) -> Tensor:
        seen = self.singular[:, None] * ((self.right * self._root_scale()).t() @ directions)
        values, vectors = torch.linalg.eigh((seen.t() @ seen).double())
        root = (vectors * values.clamp(min=0).sqrt()).flip(1).float()
        own = torch.from_numpy(self.own + GRAM_SHRINKAGE * self.gram_diagonal.mean()).float()
        return directions @ root / own.sqrt()[:, None]


def _table(values: Tensor, places: np.ndarray, rows: int) -> Tensor:
    """A table [rows, D] with ``values`` [n, D] in some places, and zeros in the others."""
    table = torch.zeros(rows, values.size(1))
    table[torch.from_numpy(places)] = values
    return table


def _components(most: int, movies: int, ratings: int) -> int:
    """Components for a log: more where it has many movies, whose singular values then fall slowly.

    They stay few where they would need much memory or time.
    """
    wanted = min(movies // MOVIES_A_COMPONENT, MOST_NUMBERS // movies, MOST_PRODUCTS // ratings)
    return min(most, max(FEW_COMPONENTS, wanted))


def _weight(train: Interactions, slope: float) -> tuple[float, float]:
    """What a rating r weighs in a history, as (a, b) of ``a + b r``: 1 for the mean, more for better ones.

    ``slope``: the additional weight of a rating that is half the scale above the mean. What has the place of a rating
    of likes with weights (``weighted.histories``) is what it weighs.
    """
    ratings = train.ratings
    if train.weights is not None and train.has_ratings:
        return 0.0, 1.0
    if np.isnan(ratings).any() or np.ptp(ratings) == 0:
        return 1.0, 0.0
    b = 2 * slope / float(np.ptp(ratings))
    return 1 - b * float(ratings.mean()), b
