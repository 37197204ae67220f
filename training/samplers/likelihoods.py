"""What a rating says of the score behind it, for the Gibbs sampler: Gaussian noise, which differs between users.

People differ in how they rate: the precision of the noise is ``alpha * tau_u``, and ``tau_u``, the user's own, has a
gamma prior of mean one (``user_noise``; without it all users share ``alpha``).
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from handlers.recommender.model.link import Link, Regression

from .. import distributed
from .philox import Stream
from .view import View

NOISE_SHAPE = 5.0  # gamma shape of tau_u

RATINGS_AT_A_TIME = 1 << 20  # in float64


class Scale(NamedTuple):
    """A score of the sampler times ``slope`` plus ``shift`` is a raw score, which ``link`` gives its meaning."""

    slope: float
    shift: float
    link: Link


class GaussianLikelihood:
    """A rating is its score plus Gaussian noise; the targets are the centred ratings.

    ``ratings`` float32 [n], those of all processes; ``value_type``: of what a view is to hold of them. After
    ``attach``, ``user_targets`` and ``movie_targets`` float32 [slots] of either view: what scores explain; ``tau``
    float64 [users].
    """

    value_type: ClassVar[torch.dtype] = torch.float32

    def __init__(self, ratings: Tensor, user_noise: bool = True) -> None:
        self.user_noise = user_noise
        self.count = len(ratings)
        self.mean, self.range = _mean(ratings), (float(ratings.min()), float(ratings.max()))
        self._values = ratings - self.mean
        self.alpha = 1.0
        self.error = _mean(self._values, 2)  # of targets and scores, at first zero
        self.errors: list[float] = []

    def take_values(self) -> Tensor:
        """What a view is to hold of the ratings [n], once: what is left is small, and the same for all processes."""
        values = self._values
        del self._values
        return values

    def attach(self, users: View, movies: View) -> None:
        """Use the views that hold the values of this process's ratings."""
        self.users, self.movies = users, movies
        self.user_targets, self.movie_targets = users.values, movies.values
        self.tau = torch.ones(len(users.counts), dtype=torch.float64, device=users.device)

    def keep(self) -> None:
        """Count the present state in the averages that ``scale`` goes by."""
        self.errors.append(self.error)

    def scale(self, scores: np.ndarray, variance: float) -> Scale:
        """What average scores mean, given some of them [m] and their ``variance`` from sample to sample."""
        return Scale(1.0, self.mean, Regression(*self.range, max(float(np.mean(self.errors)), 1e-3)))

    @property
    def root_alpha(self) -> Tensor:
        """Square roots of the noise precisions: float32 [users]."""
        return (self.alpha * self.tau).sqrt().float()

    def start(self, stream: Stream) -> None:
        """Draw the gamma numbers of a sweep: all of them in every process, which is cheap."""
        if self.user_noise:
            shapes = NOISE_SHAPE + self.users.counts.cpu().numpy() / 2
            self.gammas = torch.from_numpy(stream.generator().standard_gamma(shapes)).to(self.tau.device)

    def draw_tau(self, users: Tensor, squares: Tensor) -> Tensor:
        """Draw the noise of ``users`` [k] given the sums of their squared errors [k]: ``alpha * tau_u`` [k]."""
        if self.user_noise:
            self.tau[users] = self.gammas[users] / (NOISE_SHAPE + 0.5 * self.alpha * squares)
        return self.alpha * self.tau[users]

    def after_users(self, squares: Tensor, stream: Stream) -> None:
        """Draw alpha, given the sums of squared errors float64 [k] of this process's users."""
        self.users.everywhere(self.tau[self.users.entities], self.tau)
        errors, weighted = self._totals(squares)
        self.error = errors / self.count
        self.alpha = distributed.agreed(stream.generator().gamma(1 + self.count / 2) / (1 + 0.5 * weighted))

    def after_sweep(self, users: Tensor, movies: Tensor, stream: Stream) -> None:
        """Draw what depends on single ratings, given embeddings [users, E] and [movies, E]: nothing here."""

    def _totals(self, squares: Tensor) -> tuple[float, float]:
        """Sums over all users of their squared errors, and of these times ``tau_u``."""
        sums = torch.stack([squares.sum(), squares @ self.tau[self.users.entities]])
        return tuple(distributed.total(sums).tolist())


def _mean(values: Tensor, power: int = 1) -> float:
    """The mean of ``values ** power``, float32 [n], summed in float64 a part at a time."""
    return sum(float(part.double().pow(power).sum()) for part in values.split(RATINGS_AT_A_TIME)) / len(values)
