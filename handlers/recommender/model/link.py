"""What a raw score means: the inverse link to the scale of the target, and the likelihood of a rating.

A network's raw score is unbounded and a sum over its parts. The inverse link takes it to the scale of answers. It is
monotone, so raw scores and answers order a list alike. The likelihood is what a new user is folded in with.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class Link(Protocol):
    """Between raw scores [n] and the scale of the target."""

    @property
    def noise_std(self) -> float:
        """Standard deviation of what was observed about a raw score, in raw scores."""

    def inverse_link(self, raw: Tensor) -> Tensor:
        """Raw scores of any shape on the scale of the target."""

    def negative_log_likelihood(self, raw: Tensor, ratings: Tensor) -> Tensor:
        """Negative log likelihood of each of ``ratings`` [n] given raw scores [n], up to a constant: [n]."""

    def gradient_and_curvature(self, raw: Tensor, ratings: Tensor) -> tuple[Tensor, Tensor]:
        """First and negative second derivative of the log likelihood by the raw scores: [n] each."""


@dataclass(frozen=True)
class Regression:
    """A raw score is a rating, with Gaussian noise of variance ``noise``; on the scale it is clipped."""

    low: float
    high: float
    noise: float

    @property
    def noise_std(self) -> float:
        """Of the noise."""
        return math.sqrt(self.noise)

    def inverse_link(self, raw: Tensor) -> Tensor:
        """Clipped."""
        return raw.clamp(self.low, self.high)

    def negative_log_likelihood(self, raw: Tensor, ratings: Tensor) -> Tensor:
        """Squared errors."""
        return (raw - ratings).square() / (2 * self.noise)

    def gradient_and_curvature(self, raw: Tensor, ratings: Tensor) -> tuple[Tensor, Tensor]:
        """The residual's precision-weighted value, and the precision."""
        return (ratings - raw) / self.noise, torch.full_like(raw, 1 / self.noise)


@dataclass(frozen=True)
class Logistic:
    """A raw score is the logit of "rated above ``like_above``"; on the scale it is the probability."""

    like_above: float

    @property
    def noise_std(self) -> float:
        """Of a standard logistic variable."""
        return math.pi / math.sqrt(3)

    def inverse_link(self, raw: Tensor) -> Tensor:
        """The probability."""
        return raw.sigmoid()

    def negative_log_likelihood(self, raw: Tensor, ratings: Tensor) -> Tensor:
        """Cross-entropy."""
        return torch.nn.functional.binary_cross_entropy_with_logits(raw, self._likes(ratings, raw), reduction="none")

    def gradient_and_curvature(self, raw: Tensor, ratings: Tensor) -> tuple[Tensor, Tensor]:
        """Like minus probability, and the probability's variance."""
        chance = raw.sigmoid()
        return self._likes(ratings, raw) - chance, (chance * (1 - chance)).clamp_min(1e-6)

    def _likes(self, ratings: Tensor, raw: Tensor) -> Tensor:
        return (ratings > self.like_above).to(raw.dtype)


@dataclass(frozen=True)
class Ordinal:
    """A rating is the level in whose interval the raw score plus Gaussian noise falls (ordered probit).

    ``levels`` ascending, ``cuts`` (one fewer) between them; ``noise_std``: standard deviation of the noise. The inverse
    link of a raw score is the expected rating. A rating between two levels counts as the nearer one. McCullagh,
    Regression Models for Ordinal Data, JRSS B 42(2), 1980.
    """

    levels: tuple[float, ...]
    cuts: tuple[float, ...]
    noise_std: float

    def inverse_link(self, raw: Tensor) -> Tensor:
        """The expected rating."""
        # The levels' steps, each weighted by the chance of being above the cut between them.
        levels, cuts = (torch.tensor(ends, dtype=raw.dtype, device=raw.device) for ends in (self.levels, self.cuts))
        steps = levels.diff()
        above = _below((raw.unsqueeze(-1) - cuts) / self.noise_std)
        return self.levels[0] + (above * steps).sum(-1)

    def negative_log_likelihood(self, raw: Tensor, ratings: Tensor) -> Tensor:
        """Of the levels' intervals."""
        chance, _, _ = self._interval(raw, ratings)
        return -chance.log().to(raw.dtype)

    def gradient_and_curvature(self, raw: Tensor, ratings: Tensor) -> tuple[Tensor, Tensor]:
        """By the ends of the levels' intervals."""
        chance, lower, upper = self._interval(raw, ratings)
        at_lower, at_upper = _density(lower) / chance, _density(upper) / chance
        slope = (at_lower - at_upper) / self.noise_std
        # At an infinite end the density is zero, and so is the product.
        bend = upper.nan_to_num(posinf=0) * at_upper - lower.nan_to_num(neginf=0) * at_lower
        curvature = slope.square() + bend / self.noise_std**2
        return slope.to(raw.dtype), curvature.clamp_min(1e-6).to(raw.dtype)

    def _interval(self, raw: Tensor, ratings: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Each rating's probability, and the ends of its interval in standard deviations from the score: [n] each."""
        levels = torch.tensor(self.levels, dtype=torch.float64, device=raw.device)
        level = torch.bucketize(ratings.double(), (levels[1:] + levels[:-1]) / 2)
        ends = torch.tensor([-math.inf, *self.cuts, math.inf], dtype=torch.float64, device=raw.device)
        lower, upper = ((ends[level + end] - raw.double()) / self.noise_std for end in (0, 1))
        # The difference of two values near one would be lost in rounding: take it in the lower tail.
        flip = lower + upper > 0
        low, high = torch.where(flip, -upper, lower), torch.where(flip, -lower, upper)
        return (_below(high) - _below(low)).clamp_min(1e-290), lower, upper


def _below(at: Tensor) -> Tensor:
    """The normal distribution function; torch.special.ndtr loses all digits of it far below zero."""
    return 0.5 * torch.special.erfc(-at / math.sqrt(2))


def _density(at: Tensor) -> Tensor:
    return torch.exp(-0.5 * at.square()) / math.sqrt(2 * math.pi)
