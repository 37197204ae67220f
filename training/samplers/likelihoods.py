"""What a rating says of the score behind it, for the Gibbs sampler: two models of the noise.

Either way people differ in how they rate: the precision of the noise is ``alpha * tau_u``, and ``tau_u``, the user's
own, has a gamma prior of mean one (``user_noise``; without it all users share ``alpha``).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.special import ndtr, ndtri

from handlers.recommender.model.link import Link, Ordinal, Regression

from ..errors import SettingsError

NOISE_SHAPE = 5.0  # gamma shape of tau_u
MOST_LEVELS = 50


class Scale(NamedTuple):
    """A score of the sampler times ``slope`` plus ``shift`` is a raw score, which ``link`` gives its meaning."""

    slope: float
    shift: float
    link: Link


class GaussianLikelihood:
    """A rating is its score plus Gaussian noise; the targets are the centred ratings.

    ``targets`` float32 [n]: what scores explain; ``root_alpha`` float32 [n]: square roots of the noise precisions.
    ``users`` [n]: who rated, rows below ``user_count``.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        ratings: np.ndarray,
        users: np.ndarray,
        user_count: int,
        user_noise: bool = True,
    ) -> None:
        self.rng = rng
        self.user_noise = user_noise
        self.users, self.counts = users, np.bincount(users, minlength=user_count)
        self.mean, self.range = float(ratings.mean(dtype=np.float64)), (float(ratings.min()), float(ratings.max()))
        self.targets = (ratings - self.mean).astype(np.float32)
        self.root_alpha = np.ones(len(ratings), np.float32)
        self.tau = np.ones(user_count)
        self.error = float(np.square(self.targets, dtype=np.float64).mean())  # of targets and scores, at first zero
        self.errors: list[float] = []

    def keep(self) -> None:
        """Count the present state in the averages that ``scale`` goes by."""
        self.errors.append(self.error)

    def scale(self, scores: np.ndarray, variance: float) -> Scale:
        """What average scores mean, given some of them [m] and their ``variance`` from sample to sample."""
        return Scale(1.0, self.mean, Regression(*self.range, max(float(np.mean(self.errors)), 1e-3)))

    def update(self, scores: np.ndarray) -> None:
        """Draw the noise precisions given ``scores`` float32 [n]."""
        errors = np.square(self.targets - scores).astype(np.float64)
        self.error = errors.mean()
        rate = 1 + 0.5 * (errors * self.tau[self.users]).sum()
        alpha = self.rng.gamma(1 + len(errors) / 2, 1 / rate)
        self._draw_tau(alpha * errors)
        self.root_alpha = np.sqrt(alpha * self.tau)[self.users].astype(np.float32)

    def _draw_tau(self, errors: np.ndarray) -> None:
        if self.user_noise:
            totals = np.bincount(self.users, errors, len(self.counts))
            self.tau = self.rng.gamma(NOISE_SHAPE + self.counts / 2, 1 / (NOISE_SHAPE + 0.5 * totals))


class OrderedProbitLikelihood(GaussianLikelihood):
    """A rating is the interval between two cut points in which its score plus Gaussian noise falls (ordered probit).

    The targets are the noisy scores ``Z``, drawn between their cut points ``gamma`` (Albert and Chib, Bayesian Analysis
    of Binary and Polychotomous Response Data, JASA 88, 1993). The cut points are drawn with ``Z`` integrated out, as
    given ``Z`` they would hardly move (Cowles, Accelerating Monte Carlo Markov chain convergence for cumulative-link
    generalized linear models, Statistics and Computing 6, 1996). The proposal is a Newton step plus Gaussian noise with
    the curvature there as its precision, accepted as Metropolis and Hastings say; with many ratings a level nearly
    always. A cut point's prior is Gaussian about zero with standard deviation ``cut_spread``, the cut points in order.
    """

    cut_spread = 10.0

    def __init__(self, rng: np.random.Generator, ratings: np.ndarray, *users_and_noise: Any) -> None:
        super().__init__(rng, ratings, *users_and_noise)
        self.levels, self.codes = np.unique(ratings, return_inverse=True)
        if len(self.levels) > MOST_LEVELS:
            raise SettingsError(
                f"the ratings have {len(self.levels)} different values, and {MOST_LEVELS} are the most for ordinal "
                "levels: use --ratings-as numbers"
            )
        self.cuts = ndtri(np.cumsum(np.bincount(self.codes))[:-1] / len(ratings))
        self.kept_cuts: list[np.ndarray] = []
        self.update(np.zeros(len(ratings), np.float32))

    def keep(self) -> None:
        """Count the present state in the averages that ``scale`` goes by."""
        super().keep()
        self.kept_cuts.append(self.cuts)

    def scale(self, scores: np.ndarray, variance: float) -> Scale:
        """Raw scores are the line through the expected ratings, so that one of them is about one star.

        The noise about an average score is that about a sample's, plus the samples' variance.
        """
        cuts, noise_std = np.mean(self.kept_cuts, axis=0), float(np.sqrt(np.mean(self.errors) + variance))
        expected = self._link(cuts, noise_std).inverse_link(torch.from_numpy(scores)).numpy()
        slope, shift = np.polyfit(scores, expected, 1).tolist() if len(cuts) else (1.0, self.levels[0])
        return Scale(slope, shift, self._link(slope * cuts + shift, slope * noise_std))

    def _link(self, cuts: np.ndarray, noise_std: float) -> Ordinal:
        return Ordinal(tuple(self.levels.tolist()), tuple(cuts.tolist()), noise_std)

    def update(self, scores: np.ndarray) -> None:
        """Draw cut points, noisy scores and noise precisions given ``scores`` float32 [n]."""
        root_alpha = self.root_alpha.astype(np.float64)
        self._draw_cuts(scores, root_alpha)
        lower, upper = self._bounds(self.cuts, scores, root_alpha)
        lower, upper, flipped = _in_lower_tail(lower, upper)
        low, high = ndtr(lower), ndtr(upper)
        noise = np.clip(ndtri(low + (high - low) * self.rng.random(len(low))), np.maximum(lower, -38), upper)
        noise *= np.where(flipped, -1, 1) / root_alpha
        self.targets = (scores + noise).astype(np.float32)
        self.error = np.square(noise).mean()
        self._draw_tau(np.square(noise))
        self.root_alpha = np.sqrt(self.tau)[self.users].astype(np.float32)

    def _bounds(self, cuts: np.ndarray, scores: np.ndarray, root_alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The interval of every rating's standardised noise: [n] each."""
        ends = np.concatenate([[-np.inf], cuts, [np.inf]])
        return (ends[self.codes] - scores) * root_alpha, (ends[self.codes + 1] - scores) * root_alpha

    def _draw_cuts(self, scores: np.ndarray, root_alpha: np.ndarray) -> None:
        now = self._step(self.cuts, scores, root_alpha)
        noise = np.linalg.solve(np.linalg.cholesky(now.precision).T, self.rng.standard_normal(len(self.cuts)))
        drawn = now.mean + noise
        if (np.diff(drawn) <= 0).any():
            return
        proposed = self._step(drawn, scores, root_alpha)
        ratio = proposed.log_density + proposed.log_proposal(self.cuts) - now.log_density - now.log_proposal(drawn)
        if np.log(self.rng.random()) < ratio:
            self.cuts = drawn

    def _step(self, cuts: np.ndarray, scores: np.ndarray, root_alpha: np.ndarray) -> _NewtonStep:
        value, gradient, precision = log_likelihood_by_cuts(
            self.codes, root_alpha, *self._bounds(cuts, scores, root_alpha), len(self.levels)
        )
        value -= 0.5 * np.square(cuts / self.cut_spread).sum()
        gradient = gradient - cuts / self.cut_spread**2
        precision = precision + np.eye(len(cuts)) / self.cut_spread**2
        return _NewtonStep(value, cuts + np.linalg.solve(precision, gradient), precision)


class _NewtonStep(NamedTuple):
    """The log density at some cut points, and the proposal from there: Gaussian about the Newton step."""

    log_density: float
    mean: np.ndarray
    precision: np.ndarray

    def log_proposal(self, cuts: np.ndarray) -> float:
        """Log density of proposing ``cuts``, up to a constant."""
        difference = cuts - self.mean
        return 0.5 * (np.linalg.slogdet(self.precision)[1] - difference @ self.precision @ difference)


def log_likelihood_by_cuts(
    codes: np.ndarray, root_alpha: np.ndarray, lower: np.ndarray, upper: np.ndarray, levels: int
) -> tuple[float, np.ndarray, np.ndarray]:
    """The log likelihood of all ratings, its gradient [levels - 1] by the cut points and its negative Hessian.

    ``codes`` [n]: the ratings' levels; ``root_alpha`` [n]: derivative of the bounds ``lower`` and ``upper`` [n] by the
    cuts.
    """
    low, high, _ = _in_lower_tail(lower, upper)
    chance = np.maximum(ndtr(high) - ndtr(low), 1e-290)
    at_lower, at_upper = root_alpha * _density(lower) / chance, root_alpha * _density(upper) / chance

    def by_level(values: np.ndarray) -> np.ndarray:
        return np.bincount(codes, values, levels)

    def bend(bound: np.ndarray, density: np.ndarray) -> np.ndarray:  # at an infinite bound the density is zero
        return np.where(np.isfinite(bound), bound, 0) * root_alpha * density

    gradient = by_level(at_upper)[:-1] - by_level(at_lower)[1:]
    diagonal = by_level(np.square(at_upper) + bend(upper, at_upper))[:-1]
    diagonal += by_level(np.square(at_lower) - bend(lower, at_lower))[1:]
    beside = -by_level(at_lower * at_upper)[1:-1]
    return float(np.log(chance).sum()), gradient, np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1)


def _in_lower_tail(lower: np.ndarray, upper: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Intervals, turned round where they lie above zero (bool [n]), as the distribution function is exact below."""
    flipped = lower + upper > 0
    return np.where(flipped, -upper, lower), np.where(flipped, -lower, upper), flipped


def _density(bound: np.ndarray) -> np.ndarray:
    return np.exp(-0.5 * np.square(bound)) / np.sqrt(2 * np.pi)


LIKELIHOODS = {"numbers": GaussianLikelihood, "levels": OrderedProbitLikelihood}  # by Settings.ratings_as
