"""Fitting the drift of users to what a network leaves of the ratings.

The drift is a Gaussian process (``handlers/recommender/model/drift.py``) on top of a network that stays as it is, so
scores without a timestamp do not change. The likelihood of a rating is that of the link, to second order in the drift:
a linear mixed model of working residuals (penalised quasi-likelihood: Breslow and Clayton, Approximate Inference in
Generalized Linear Mixed Models, JASA 88, 1993). The precision matrix of a user's drift at successive occasions is
tridiagonal, so all is linear in the number of ratings.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from scipy.linalg.lapack import dpttrf, dpttrs
from scipy.optimize import minimize
from torch import Tensor

from handlers.recommender.model.drift import Drift
from handlers.recommender.model.link import Link

from ..interactions import Interactions

MOST_OCCASIONS = 1 << 20  # that the hyperparameters are fitted to; those of whole users
STARTS = (60.0, 3600.0, 86_400.0, 30 * 86_400.0)  # seconds: a page of a site, a session, a day, a season
VARIANCE, LONGEST = 0.1, 1e10  # where the search starts, as a share of the noise, and where it ends, in seconds
NO_CORRELATION = 1e-9  # arithmetic with smaller ones is slow


class Hyperparameters(NamedTuple):
    """``variance`` of the drift, in raw scores; ``seconds`` in which its correlation falls to 1 / e; ``dispersion``:
    the noise's variance as a share of what the link says.
    """

    variance: float
    seconds: float
    dispersion: float


class Occasions(NamedTuple):
    """The different seconds at which users have rated, by user and ascending, with what the ratings say of the drift.

    ``gaps`` float64 [M]: seconds since the user's occasion before, infinite for the first. ``gradients`` and
    ``curvatures`` float64 [M]: sums over the occasion's ratings, of the log likelihood by its raw score.
    """

    gaps: np.ndarray
    gradients: np.ndarray
    curvatures: np.ndarray

    def mean(self, at: Hyperparameters) -> tuple[np.ndarray, float]:
        """The drift's expectation float64 [M], and what it adds to the log likelihood."""
        phi = np.exp(-self.gaps / at.seconds)
        phi[phi < NO_CORRELATION] = 0.0
        inverse = 1 / -np.expm1(-2 * self.gaps / at.seconds)
        # eta = drift / sigma is a chain: eta_k ~ N(phi_k eta_{k-1}, 1 - phi_k^2); its precision matrix is A.
        diagonal = inverse + at.variance / at.dispersion * self.curvatures
        diagonal[:-1] += (phi**2 * inverse)[1:]
        shift = at.variance**0.5 / at.dispersion * self.gradients
        D, L, _ = dpttrf(diagonal, -(phi * inverse)[1:])
        eta, _ = dpttrs(D, L, shift)
        return at.variance**0.5 * eta, 0.5 * float((shift * eta).sum() - np.log(D).sum() + np.log(inverse).sum())


def fit_drift(train: Interactions, raw: Tensor, link: Link) -> Drift | None:
    """The drift of users given the raw scores float32 [n] of ``train``, which has ratings and timestamps.

    The hyperparameters are those of the largest likelihood. None where that gains less than they cost, by the Bayesian
    information criterion (Schwarz, 1978).
    """
    users, timestamps = train.user_rows, train.timestamps
    order = np.lexsort((timestamps, users))
    users, timestamps = users[order], timestamps[order]
    new_user, new_time = (np.diff(column, prepend=column[0] - 1) != 0 for column in (users, timestamps))
    starts = np.flatnonzero(new_user | new_time)
    times = timestamps[starts]
    gaps = np.where(new_user[starts], np.inf, np.diff(times, prepend=0))
    ratings = torch.from_numpy(train.ratings).double()
    gradient, curvature = (part.numpy()[order] for part in link.gradient_and_curvature(raw.double(), ratings))
    occasions = Occasions(gaps, np.add.reduceat(gradient, starts), np.add.reduceat(curvature, starts))
    found = _most_likely(occasions, np.append(starts, len(users)), gradient, curvature)
    if found is None:
        return None
    offsets = np.searchsorted(users[starts], np.arange(train.shape[0] + 1))
    return Drift(offsets, times, occasions.mean(found)[0].astype(np.float32), found.seconds)


def _most_likely(
    occasions: Occasions, starts: np.ndarray, gradient: np.ndarray, curvature: np.ndarray
) -> Hyperparameters | None:
    """The hyperparameters, from some users; ``gradient`` and ``curvature`` [n]: of each rating, in order.

    ``starts`` int64 [M + 1]: the first rating of each occasion, and the number of ratings.
    """
    ends = np.append(np.flatnonzero(np.isinf(occasions.gaps)), len(occasions.gaps))
    end = ends[min(np.searchsorted(ends, MOST_OCCASIONS), len(ends) - 1)]
    some = Occasions(*(column[:end] for column in occasions))
    ratings = starts[end]
    squares = float((gradient[:ratings] ** 2 / curvature[:ratings]).sum())

    def log_likelihood(at: Hyperparameters) -> float:
        return some.mean(at)[1] - 0.5 * (squares / at.dispersion + ratings * np.log(at.dispersion))

    without = -0.5 * ratings * (1 + np.log(squares / ratings))
    noise = ratings / float(curvature[:ratings].sum())
    starts_of_search = [Hyperparameters(VARIANCE * noise, seconds, squares / ratings) for seconds in STARTS]
    start = max(starts_of_search, key=log_likelihood)
    lowest = np.log([1e-8 * noise, 1e-2, 1e-3]), np.log([1e4 * noise, LONGEST, 1e3])
    search = minimize(
        lambda logs: -log_likelihood(Hyperparameters(*np.exp(logs).tolist())),
        np.log(start),
        method="Nelder-Mead",
        bounds=list(zip(*lowest, strict=True)),
        options={"xatol": 0.05, "fatol": 0.5},
    )
    gain = -search.fun - without
    return Hyperparameters(*np.exp(search.x).tolist()) if gain > np.log(ratings) else None
