"""Ratings as ordered levels, for the Gibbs sampler: an ordered probit model."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.special import ndtri

from handlers.recommender.model.link import Ordinal

from .. import distributed
from ..errors import SettingsError
from .likelihoods import GaussianLikelihood, Scale
from .philox import Stream
from .view import Block, View
from .workers import each

MOST_LEVELS = 50


class OrderedProbitLikelihood(GaussianLikelihood):
    """A rating is the interval between two cut points in which its score plus Gaussian noise falls (ordered probit).

    The targets are the noisy scores ``Z``, drawn between their cut points ``gamma`` (Albert and Chib, Bayesian Analysis
    of Binary and Polychotomous Response Data, JASA 88, 1993). The cut points are drawn with ``Z`` integrated out, as
    given ``Z`` they would hardly move (Cowles, Accelerating Monte Carlo Markov chain convergence for cumulative-link
    generalized linear models, Statistics and Computing 6, 1996). The proposal is a Newton step plus Gaussian noise with
    the curvature there as its precision, accepted as Metropolis and Hastings say; with many ratings a level nearly
    always. A cut point's prior is Gaussian about zero with standard deviation ``cut_spread``, the cut points in order.

    ``Z`` of a rating is drawn with the random number of its user and movie, once in each view, so that both agree.
    """

    cut_spread = 10.0
    value_type = torch.uint8

    def __init__(self, ratings: Tensor, user_noise: bool = True) -> None:
        super().__init__(ratings, user_noise)
        levels, codes = ratings.unique(return_inverse=True)
        if len(levels) > MOST_LEVELS:
            raise SettingsError(
                f"the ratings have {len(levels)} different values, and {MOST_LEVELS} are the most for ordinal "
                "levels: use --ratings-as numbers"
            )
        self.levels = levels.cpu().double().numpy()
        self._values = codes.to(self.value_type)
        shares = torch.bincount(codes).cumsum(0)[:-1].double() / len(ratings)
        self.cuts = ndtri(shares).cpu().numpy()
        self.kept_cuts: list[np.ndarray] = []

    def attach(self, users: View, movies: View) -> None:
        """Use the views that hold the values. An empty slot gets a level of its own, whose interval is the line."""
        super().attach(users, movies)
        for view in (users, movies):
            view.values.masked_fill_(view.others == view.empty, len(self.levels))
        self.user_targets, self.movie_targets = (
            torch.zeros(len(view.others)).to(view.device) for view in (users, movies)
        )

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

    def after_users(self, squares: Tensor, stream: Stream) -> None:
        """The noise of all users is ``tau_u`` alone: ``alpha`` stays one."""
        self.users.everywhere(self.tau[self.users.entities], self.tau)
        self.error = self._totals(squares)[0] / self.count

    def after_sweep(self, users: Tensor, movies: Tensor, stream: Stream) -> None:
        """Draw cut points and noisy scores, given embeddings float32 [users, E] and [movies, E]."""
        users, movies = (torch.cat([table, table.new_zeros(1, table.shape[1])]) for table in (users, movies))
        for view, mine, others, targets in (
            (self.users, users, movies, self.user_targets),
            (self.movies, movies, users, self.movie_targets),
        ):
            own = mine[view.entities]

            def score(block: Block, view=view, own=own, others=others, targets=targets) -> None:
                targets[block.slots] = view.scores(block, own, others).flatten()

            each(score, view.blocks, view.threads)
        self._draw_cuts(stream.generator())
        each(lambda block: self._draw_user_targets(block, stream), self.users.blocks, self.users.threads)
        each(lambda block: self._draw_movie_targets(block, stream), self.movies.blocks, self.movies.threads)

    def _draw_user_targets(self, block: Block, stream: Stream) -> None:
        rows = self.users.entities[block.entities, None]
        movies = self.users.others[block.slots].view(block.count, block.length)
        self._draw_targets(self.users, block, self.user_targets, self.root_alpha64(rows), stream.uniforms(rows, movies))

    def _draw_movie_targets(self, block: Block, stream: Stream) -> None:
        rows = self.movies.entities[block.entities, None]
        users = self.movies.others[block.slots].view(block.count, block.length).long()
        known = users.clamp(max=self.movies.empty - 1)
        self._draw_targets(
            self.movies, block, self.movie_targets, self.root_alpha64(known), stream.uniforms(users, rows)
        )

    def root_alpha64(self, users: Tensor) -> Tensor:
        """Square roots of the noise precisions of ``users``, float64 in their shape."""
        return (self.alpha * self.tau[users]).sqrt()

    def _draw_targets(self, view: View, block: Block, targets: Tensor, root_alpha: Tensor, uniform: Tensor) -> None:
        """Replace a block's scores by noisy scores in the intervals of their ratings."""
        scores = targets[block.slots].view(block.count, block.length).double()
        codes = view.values[block.slots].view(block.count, block.length)
        lower, upper = self.bounds(self.cuts, codes, scores, root_alpha)
        lower, upper, flipped = _in_lower_tail(lower, upper)
        low, high = ndtr(lower), ndtr(upper)
        noise = ndtri(low + (high - low) * uniform).maximum(lower.clamp(min=-38)).minimum(upper)
        noise = torch.where(flipped, -noise, noise) / root_alpha
        targets[block.slots] = (scores + noise).float().flatten()

    def bounds(self, cuts: np.ndarray, codes: Tensor, scores: Tensor, root_alpha: Tensor) -> tuple[Tensor, Tensor]:
        """The interval of every rating's standardised noise, all in the shape of ``codes``."""
        inside = torch.from_numpy(cuts).to(scores.device)
        infinite = inside.new_tensor([math.inf])
        below, above = torch.cat([-infinite, inside, -infinite]), torch.cat([inside, infinite, infinite])
        codes = codes.int()
        return (below[codes] - scores) * root_alpha, (above[codes] - scores) * root_alpha

    def _draw_cuts(self, rng: np.random.Generator) -> None:
        now = self._step(self.cuts)
        noise = np.linalg.solve(np.linalg.cholesky(now.precision).T, rng.standard_normal(len(self.cuts)))
        drawn, chance = distributed.agreed(now.mean + noise), rng.random()
        if (np.diff(drawn) <= 0).any():
            return
        proposed = self._step(drawn)
        ratio = proposed.log_density + proposed.log_proposal(self.cuts) - now.log_density - now.log_proposal(drawn)
        if distributed.agreed(bool(np.log(chance) < ratio)):
            self.cuts = drawn

    def _step(self, cuts: np.ndarray) -> _NewtonStep:
        """The log density at ``cuts``, and its Newton step; ``user_targets`` hold the scores."""
        view, levels = self.users, len(self.levels)
        sums = torch.zeros(len(view.blocks), 1 + 3 * (levels + 1), dtype=torch.float64, device=view.device)

        def add(numbered: tuple[int, Block]) -> None:
            number, block = numbered
            scores = self.user_targets[block.slots].view(block.count, block.length).double()
            codes = view.values[block.slots].view(block.count, block.length)
            root_alpha = self.root_alpha64(view.entities[block.entities, None]).expand(scores.shape)
            bounds = self.bounds(cuts, codes, scores, root_alpha)
            sums[number] = sums_by_level(codes.flatten(), *(each.flatten() for each in (root_alpha, *bounds)), levels)

        each(add, list(enumerate(view.blocks)), view.threads)
        value, gradient, precision = by_cuts(distributed.total(sums.sum(0)).cpu().numpy(), levels)
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


def sums_by_level(codes: Tensor, root_alpha: Tensor, lower: Tensor, upper: Tensor, levels: int) -> Tensor:
    """The log likelihood, and by level (and empty slots) the sums that ``by_cuts`` needs: float64 [1 + 3 (levels + 1)].

    ``codes`` uint8 [n]: the ratings' levels, ``levels`` for an empty slot; ``root_alpha`` [n]: derivative of the bounds
    ``lower`` and ``upper`` [n] by the cuts.
    """
    low, high, _ = _in_lower_tail(lower, upper)
    chance = (ndtr(high) - ndtr(low)).clamp(min=1e-290)
    at_lower, at_upper = root_alpha * _density(lower) / chance, root_alpha * _density(upper) / chance

    def bend(bound: Tensor, density: Tensor) -> Tensor:  # at an infinite bound the density is zero
        return torch.where(bound.isfinite(), bound, 0) * root_alpha * density

    def by_level(values: Tensor) -> Tensor:
        return torch.bincount(codes, values, levels + 1)

    upper_part = at_upper.square() + bend(upper, at_upper)
    lower_part = at_lower.square() - bend(lower, at_lower)
    # The gradient, the diagonal and the neighbour of the Hessian: a level's terms at its lower cut go to the cut below.
    gradient = by_level(at_upper) - by_level(at_lower).roll(-1)
    diagonal = by_level(upper_part) + by_level(lower_part).roll(-1)
    return torch.cat([chance.log().sum()[None], gradient, diagonal, by_level(at_lower * at_upper)])


def by_cuts(sums: np.ndarray, levels: int) -> tuple[float, np.ndarray, np.ndarray]:
    """The log likelihood of all ratings, its gradient [levels - 1] by the cut points and its negative Hessian."""
    gradient, diagonal, both = sums[1:].reshape(3, levels + 1)
    beside = -both[1 : levels - 1]
    precision = np.diag(diagonal[: levels - 1]) + np.diag(beside, 1) + np.diag(beside, -1)
    return float(sums[0]), gradient[: levels - 1], precision


def _in_lower_tail(lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Intervals, turned round where they lie above zero (bool), as the distribution function is exact below."""
    flipped = lower + upper > 0
    return torch.where(flipped, -upper, lower), torch.where(flipped, -lower, upper), flipped


def ndtr(bound: Tensor) -> Tensor:
    """The standard normal distribution function, exact far below zero, where ``torch.special.ndtr`` is zero."""
    return torch.erfc(bound * -math.sqrt(0.5)).mul_(0.5)


def _density(bound: Tensor) -> Tensor:
    return (-0.5 * bound.square()).exp() / math.sqrt(2 * math.pi)
