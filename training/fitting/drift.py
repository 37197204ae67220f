"""Fitting the drift of users to what a network leaves of the ratings.

The drift is a Gaussian process (``handlers/recommender/model/drift.py``) on top of a network that stays as it is, so
scores without a timestamp do not change. The likelihood of a rating is that of the link, to second order in the drift:
a linear mixed model of working residuals (penalised quasi-likelihood: Breslow and Clayton, Approximate Inference in
Generalized Linear Mixed Models, JASA 88, 1993), with the same curvature for all ratings. With each rating's own one, a
variance that is constant could be told from the noise without any two ratings that are alike, and a drift would be
found where there is none: the noise of likes does not have quite the variance that the link says. The precision matrix
of a user's drift at successive moments is tridiagonal, so all is linear in the number of ratings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from scipy.linalg.lapack import dpttrf, dpttrs
from scipy.optimize import minimize
from torch import Tensor

from handlers.recommender.model.drift import Drift
from handlers.recommender.model.link import Link

from ..interactions import Interactions

RATINGS_AT_A_TIME = 1 << 18  # of whole users; about so many are in cache
RATINGS_TO_CHOOSE_BY = 1 << 18  # that the hyperparameters are fitted to, of whole users
SECONDS = (60.0, 3600.0, 86_400.0, 30 * 86_400.0)  # the search begins with the best: a page, a session, a day, a season
VARIANCE = 0.1  # of the drift when the search begins, as a share of the noise
# Limits of the search: variance (as a share of the noise), seconds and dispersion.
LOWEST, HIGHEST = np.array([1e-6, 1e-2, 1e-3]), np.array([1e3, 1e9, 1e3])
NO_CORRELATION = 1e-9  # arithmetic with smaller ones is slow


class Hyperparameters(NamedTuple):
    """What all users share.

    ``variance``: of the drift, in raw scores. ``seconds``: in which its correlation falls to ``1 / e``. ``dispersion``:
    variance of the noise, as a share of what the link says.
    """

    variance: float
    seconds: float
    dispersion: float


class Moments(NamedTuple):
    """The different seconds at which some users have rated, by user and ascending, and what the ratings say there.

    ``users`` [M] and ``times`` int64 [M]. ``gradients`` and ``curvatures`` float64 [M]: sums over the ratings of the
    moment, of the log likelihood by its raw score, the latter with the mean curvature for each. ``squares``: the sum of
    all ratings' squared working residuals, divided by their variance; ``ratings``: how many these are.
    """

    users: np.ndarray
    times: np.ndarray
    gradients: np.ndarray
    curvatures: np.ndarray
    squares: float
    ratings: int

    @classmethod
    def of(cls, rows: Interactions, raw: Tensor, link: Link, curvature: float) -> Moments:
        """Of ``rows``, with raw scores float32 [n]; ``curvature``: the mean one of a rating."""
        order = np.lexsort((rows.timestamps, rows.user_rows))
        users, times = rows.user_rows[order], rows.timestamps[order]
        gradient = _derivatives(raw, rows.ratings, link)[0].numpy()[order]
        first = np.ones(len(users), bool)
        first[1:] = (users[1:] != users[:-1]) | (times[1:] != times[:-1])
        starts = np.flatnonzero(first)
        sums = np.add.reduceat(gradient, starts), curvature * np.diff(np.append(starts, len(users)))
        return cls(users[starts], times[starts], *sums, float((gradient**2).sum()) / curvature, len(users))

    def drift(self, given: Hyperparameters) -> tuple[np.ndarray, float]:
        """The drift's expectation float64 [M], and the log likelihood of the ratings, up to a constant."""
        gaps = np.full(len(self.times), np.inf)
        same_user = self.users[1:] == self.users[:-1]
        gaps[1:][same_user] = np.diff(self.times)[same_user]
        phi = np.exp(-gaps / given.seconds)
        phi[phi < NO_CORRELATION] = 0.0
        # The drift over its standard deviation is a chain, eta_k ~ N(phi_k eta_{k-1}, 1 - phi_k^2).
        inverse = -1 / np.expm1(-2 * gaps / given.seconds)
        deviation = given.variance**0.5
        diagonal = inverse + given.variance / given.dispersion * self.curvatures
        diagonal[:-1] += (phi**2 * inverse)[1:]
        shift = deviation / given.dispersion * self.gradients
        beside = -(phi * inverse)[1:] if len(phi) > 1 else np.zeros(1)  # so many are wanted for one moment too
        D, L, _ = dpttrf(diagonal, beside)  # the precision matrix is L D L^T
        eta, _ = dpttrs(D, L, shift)
        log_likelihood = (shift * eta).sum() + np.log(inverse).sum() - np.log(D).sum()
        log_likelihood -= self.squares / given.dispersion + self.ratings * np.log(given.dispersion)
        return deviation * eta, 0.5 * float(log_likelihood)


def fit_drift(train: Interactions, scores: Callable[[Interactions], Tensor], link: Link) -> Drift | None:
    """The drift of users given the raw scores of ``train``, which has ratings and timestamps.

    ``scores`` gives those of any of its ratings: float32 [n]. The hyperparameters are those of the largest likelihood,
    given some users. None where that gains less than they cost, by the Bayesian information criterion (Schwarz,
    Estimating the Dimension of a Model, 1978); then no other ratings are looked at.
    """
    some = _of_some_users(train)
    raw = scores(some)
    curvature = float(_derivatives(raw, some.ratings, link)[1].mean())
    found = most_likely(Moments.of(some, raw, link, curvature))
    if found is None:
        return None
    raw, users = scores(train), train.user_rows
    order = None if (users[1:] >= users[:-1]).all() else np.argsort(users, kind="stable")
    counts = np.bincount(users, minlength=train.shape[0])
    offsets, last = np.zeros(len(counts) + 1, np.int64), 0
    times, values = np.empty(len(train), np.int64), np.empty(len(train), np.float32)  # as many as there can be
    for part in _parts(counts):
        rows = part if order is None else order[part]
        moments = Moments.of(train.take(rows), raw[rows], link, curvature)
        lowest, first, last = moments.users[0], last, last + len(moments.times)
        times[first:last], values[first:last] = moments.times, moments.drift(found)[0]
        offsets[lowest + 1 : moments.users[-1] + 2] = np.bincount(moments.users - lowest)
    return Drift(offsets.cumsum(), times[:last], values[:last], found.seconds)


def _of_some_users(train: Interactions) -> Interactions:
    """All ratings of users drawn at random, about ``RATINGS_TO_CHOOSE_BY``; everything where there are fewer."""
    if len(train) <= RATINGS_TO_CHOOSE_BY:
        return train
    counts = np.bincount(train.user_rows, minlength=train.shape[0])
    drawn = np.random.default_rng(0).permutation(len(counts))
    enough = 1 + np.searchsorted(counts[drawn].cumsum(), RATINGS_TO_CHOOSE_BY)
    chosen = np.zeros(len(counts), bool)
    chosen[drawn[:enough]] = True
    return train.take(np.flatnonzero(chosen[train.user_rows]))


def _derivatives(raw: Tensor, ratings: np.ndarray, link: Link) -> tuple[Tensor, Tensor]:
    """The log likelihood's first and negative second ones, float64 [n], by raw scores [n]."""
    return link.gradient_and_curvature(raw.double(), torch.from_numpy(ratings).double())


def _parts(counts: np.ndarray) -> Iterator[slice]:
    """Ranges of the ratings by user that hold whole users, given how many ratings each user has, int64 [users]."""
    ends, start = counts.cumsum(), 0
    while start < ends[-1]:
        stop = int(ends[min(np.searchsorted(ends, start + RATINGS_AT_A_TIME), len(ends) - 1)])
        yield slice(start, stop)
        start = stop


def most_likely(moments: Moments) -> Hyperparameters | None:
    """The hyperparameters of the largest likelihood, by Nelder and Mead's method; None where no drift is better."""
    if not moments.squares > 0:
        return None  # nothing is left of the ratings
    dispersion = moments.squares / moments.ratings  # without drift
    noise = moments.ratings / float(moments.curvatures.sum())
    unit = np.array([noise, 1.0, 1.0])
    first = max(
        (Hyperparameters(VARIANCE * noise, seconds, dispersion) for seconds in SECONDS),
        key=lambda given: moments.drift(given)[1],
    )
    search = minimize(
        lambda logs: -moments.drift(Hyperparameters(*np.exp(logs).tolist()))[1],
        np.log(first),
        method="Nelder-Mead",
        bounds=np.log([LOWEST * unit, HIGHEST * unit]).T,
        options={"xatol": 0.05, "fatol": 0.5},
    )
    without = -0.5 * moments.ratings * (1 + np.log(dispersion))
    return Hyperparameters(*np.exp(search.x).tolist()) if -search.fun - without > np.log(moments.ratings) else None
