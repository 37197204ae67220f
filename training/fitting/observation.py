"""What a rating says of the score behind it, for the Gibbs sampler: two models of the noise.

Either way a user's noise precision is their own, with a gamma prior of mean one: people differ in how they rate.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from scipy.special import ndtr, ndtri

from handlers.recommender.model.link import Link, Ordinal, Regression

from ..errors import SettingsError

NOISE_SHAPE = 5.0  # gamma shape of a user's noise precision
MOST_LEVELS = 50


class Scale(NamedTuple):
    """A score of the sampler times ``slope`` plus ``shift`` is a raw score, which ``link`` gives its meaning."""

    slope: float
    shift: float
    link: Link


class Numbers:
    """A rating is its score plus Gaussian noise; the targets are the centred ratings.

    ``targets`` float32 [n]: what scores explain; ``root`` float32 [n]: square roots of the noise precisions.
    ``users`` [n]: who rated, rows below ``user_count``.
    """

    def __init__(self, rng: np.random.Generator, ratings: np.ndarray, users: np.ndarray, user_count: int) -> None:
        self.rng = rng
        self.users, self.counts = users, np.bincount(users, minlength=user_count)
        self.mean, self.range = float(ratings.mean(dtype=np.float64)), (float(ratings.min()), float(ratings.max()))
        self.targets = (ratings - self.mean).astype(np.float32)
        self.root = np.ones(len(ratings), np.float32)
        self.user_precision = np.ones(user_count)
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
        rate = 1 + 0.5 * (errors * self.user_precision[self.users]).sum()
        precision = self.rng.gamma(1 + len(errors) / 2, 1 / rate)
        self._draw_users(precision * errors)
        self.root = np.sqrt(precision * self.user_precision)[self.users].astype(np.float32)

    def _draw_users(self, errors: np.ndarray) -> None:
        totals = np.bincount(self.users, errors, len(self.counts))
        self.user_precision = self.rng.gamma(NOISE_SHAPE + self.counts / 2, 1 / (NOISE_SHAPE + 0.5 * totals))


class Levels(Numbers):
    """A rating is the interval between two cut points in which its score plus Gaussian noise falls.

    The targets are the noisy scores, drawn between their cut points (Albert and Chib, Bayesian Analysis of Binary and
    Polychotomous Response Data, JASA 88, 1993). The cut points are drawn with the noisy scores integrated out, as
    given those they would hardly move (Cowles, Accelerating Monte Carlo Markov chain convergence for cumulative-link
    generalized linear models, Statistics and Computing 6, 1996). The proposal is a Newton step plus Gaussian noise with
    the curvature there as its precision, accepted as Metropolis and Hastings say; with many ratings a level nearly
    always. A cut point's prior is Gaussian about zero with standard deviation ``cut_spread``, the cut points in order.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        ratings: np.ndarray,
        users: np.ndarray,
        user_count: int,
        cut_spread: float = 10.0,
    ) -> None:
        self.cut_spread = cut_spread
        super().__init__(rng, ratings, users, user_count)
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
        cuts, spread = np.mean(self.kept_cuts, axis=0), float(np.sqrt(np.mean(self.errors) + variance))
        expected = self._link(cuts, spread).inverse_link(torch.from_numpy(scores)).numpy()
        slope, shift = np.polyfit(scores, expected, 1).tolist() if len(cuts) else (1.0, self.levels[0])
        return Scale(slope, shift, self._link(slope * cuts + shift, slope * spread))

    def _link(self, cuts: np.ndarray, spread: float) -> Ordinal:
        return Ordinal(tuple(self.levels.tolist()), tuple(cuts.tolist()), spread)

    def update(self, scores: np.ndarray) -> None:
        """Draw cut points, noisy scores and noise precisions given ``scores`` float32 [n]."""
        root = self.root.astype(np.float64)
        self._draw_cuts(scores, root)
        lower, upper = self._bounds(self.cuts, scores, root)
        lower, upper, flipped = _in_lower_tail(lower, upper)
        low, high = ndtr(lower), ndtr(upper)
        noise = np.clip(ndtri(low + (high - low) * self.rng.random(len(low))), np.maximum(lower, -38), upper)
        noise *= np.where(flipped, -1, 1) / root
        self.targets = (scores + noise).astype(np.float32)
        self.error = np.square(noise).mean()
        self._draw_users(np.square(noise))
        self.root = np.sqrt(self.user_precision)[self.users].astype(np.float32)

    def _bounds(self, cuts: np.ndarray, scores: np.ndarray, root: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The interval of every rating's standardised noise: [n] each."""
        ends = np.concatenate([[-np.inf], cuts, [np.inf]])
        return (ends[self.codes] - scores) * root, (ends[self.codes + 1] - scores) * root

    def _draw_cuts(self, scores: np.ndarray, root: np.ndarray) -> None:
        here = self._step(self.cuts, scores, root)
        noise = np.linalg.solve(np.linalg.cholesky(here.precision).T, self.rng.standard_normal(len(self.cuts)))
        drawn = here.mean + noise
        if (np.diff(drawn) <= 0).any():
            return
        there = self._step(drawn, scores, root)
        ratio = there.log_density + there.log_proposal(self.cuts) - here.log_density - here.log_proposal(drawn)
        if np.log(self.rng.random()) < ratio:
            self.cuts = drawn

    def _step(self, cuts: np.ndarray, scores: np.ndarray, root: np.ndarray) -> _NewtonStep:
        value, gradient, precision = log_likelihood_by_cuts(
            self.codes, root, *self._bounds(cuts, scores, root), len(self.levels)
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
        away = cuts - self.mean
        return 0.5 * (np.linalg.slogdet(self.precision)[1] - away @ self.precision @ away)


def log_likelihood_by_cuts(
    codes: np.ndarray, root: np.ndarray, lower: np.ndarray, upper: np.ndarray, levels: int
) -> tuple[float, np.ndarray, np.ndarray]:
    """The log likelihood of all ratings, its gradient [levels - 1] by the cut points and its negative Hessian.

    ``codes`` [n]: the ratings' levels; ``root`` [n]: derivative of the bounds ``lower`` and ``upper`` [n] by the cuts.
    """
    low, high, _ = _in_lower_tail(lower, upper)
    chance = np.maximum(ndtr(high) - ndtr(low), 1e-290)
    at_lower, at_upper = root * _density(lower) / chance, root * _density(upper) / chance

    def by_level(values: np.ndarray) -> np.ndarray:
        return np.bincount(codes, values, levels)

    def bend(bound: np.ndarray, at: np.ndarray) -> np.ndarray:  # at an infinite bound the density is zero
        return np.where(np.isfinite(bound), bound, 0) * root * at

    gradient = by_level(at_upper)[:-1] - by_level(at_lower)[1:]
    diagonal = by_level(np.square(at_upper) + bend(upper, at_upper))[:-1]
    diagonal += by_level(np.square(at_lower) - bend(lower, at_lower))[1:]
    beside = -by_level(at_lower * at_upper)[1:-1]
    return float(np.log(chance).sum()), gradient, np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1)


def _in_lower_tail(lower: np.ndarray, upper: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Intervals, turned round where they lie above zero (bool [n]), as the distribution function is exact below."""
    flipped = lower + upper > 0
    return np.where(flipped, -upper, lower), np.where(flipped, -lower, upper), flipped


def _density(at: np.ndarray) -> np.ndarray:
    return np.exp(-0.5 * np.square(at)) / np.sqrt(2 * np.pi)
