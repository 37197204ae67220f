"""A user from ratings that come with the request, without retraining: somebody new, or a user of the log.

The new user's embedding is a MAP estimate: the likelihood is that of the model's link, the prior is Gaussian, with the
mean and covariance of the embeddings that training found. The solver takes Newton steps through the link and
Gauss-Newton steps through the network. Where the score is linear in the embedding (MF, FM) and a raw score is a
rating, the first step is the exact regularised least-squares solution; DeepFM, likes and ordinal ratings take a few.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .link import Link
from .network import Network


@dataclass(frozen=True)
class Prior:
    """What training says of a user before any rating: mean [E], precision [E, E] (E = width + 1)."""

    mean: Tensor
    precision: Tensor


MAX_STEPS = 12
BLOCK = 1 << 16  # users whose embeddings are held as float64 at once
TOLERANCE = 1e-4  # a step that reduces the negative log posterior by a smaller share than this is the last
NEGLIGIBLE = 1e-6  # a step that would reduce it by a smaller share is not taken
ROWS_AT_ONCE = 4096  # of E numbers, of people who are folded in together: they bound the memory of a batch
LINEAR = 1e-4  # standard deviations of the noise: scores that differ less from a linear forecast are linear there


class Solution(NamedTuple):
    """An embedding [E], each rating's contribution to the right-hand side [n, E], and the posterior precision [E, E].

    ``embedding - prior.mean`` is ``precision^-1 @ contributions.sum(0)`` where the solution is stationary. Of B people:
    [B, E], [N, E] and [B, E, E].
    """

    embedding: Tensor
    contributions: Tensor
    precision: Tensor


@dataclass
class Rated:
    """The ratings of B people, one person after the other.

    ``score`` takes an embedding for each rating [N, E] to the raw scores [N] of the rated pairs; ``ratings`` [N];
    ``counts``: how many each person has.
    """

    score: Callable[[Tensor], Tensor]
    ratings: Tensor
    counts: list[int]

    @cached_property
    def person(self) -> Tensor:
        """Whose each rating is: int64 [N]."""
        counts = torch.tensor(self.counts, device=self.ratings.device)
        return torch.arange(len(counts), device=counts.device).repeat_interleave(counts)

    def sums(self, values: Tensor) -> Tensor:
        """Sums by person, [B, ...], of values by rating [N, ...]; of float64, because somebody may have thousands."""
        sums = values.new_zeros(len(self.counts), *values.shape[1:], dtype=torch.float64)
        return sums.index_add_(0, self.person, values.double()).to(values.dtype)


def solve(
    score: Callable[[Tensor], Tensor], prior: Prior, ratings: Tensor, link: Link, start: Tensor | None = None
) -> Solution:
    """The embedding that explains ``ratings`` [n] of one person best.

    ``score`` takes n copies of an embedding [n, E] to the raw scores [n] of the rated pairs; ``link`` says what a
    rating says of them. The first step is taken from ``start`` [E], the prior's mean where none is given.
    """
    start, mean = (one.unsqueeze(0) for one in (prior.mean if start is None else start, prior.mean))
    found = solve_each(Rated(score, ratings, [len(ratings)]), mean, prior.precision, link, start)
    return Solution(found.embedding[0], found.contributions, found.precision[0])


def solve_each(rated: Rated, means: Tensor, prior_precision: Tensor, link: Link, start: Tensor) -> Solution:
    """``solve`` for B people at once: most of the time of one is that of calls, which B people share.

    ``means`` [B, E] and ``start`` [B, E]: each person's. Whoever is done stays where they are.
    """
    score, ratings, counts, person = rated.score, rated.ratings, rated.counts, rated.person

    def posterior(embeddings: Tensor, raw: Tensor) -> Tensor:
        """Negative log posteriors [B] of embeddings [B, E] that give raw scores [N]."""
        differences = embeddings - means
        penalties = 0.5 * (differences @ prior_precision * differences).sum(1)
        return rated.sums(link.negative_log_likelihood(raw, ratings)) + penalties

    def linearised(embeddings: Tensor, raw: Tensor, jacobian: Tensor) -> Solution:
        gradient, curvature = link.gradient_and_curvature(raw, ratings)
        working = gradient + curvature * (jacobian * (embeddings - means)[person]).sum(1)
        pieces = zip(jacobian.split(counts), (jacobian * curvature.unsqueeze(1)).split(counts), strict=True)
        precision = prior_precision + torch.stack([one.t() @ weighted for one, weighted in pieces])
        return Solution(embeddings, jacobian * working.unsqueeze(1), precision)

    raw, jacobian = with_derivatives(score, start[person])
    now = posterior(start, raw)
    solution = linearised(start, raw, jacobian)
    is_open = torch.ones_like(now, dtype=torch.bool)
    for number in range(MAX_STEPS):
        steps = means + torch.linalg.solve(solution.precision, rated.sums(solution.contributions)) - solution.embedding
        if number:  # the first step is always taken: one fresh like beside a thousand gains little, and counts
            gains = 0.5 * (steps.unsqueeze(1) @ solution.precision @ steps.unsqueeze(2)).flatten()
            is_open &= gains > NEGLIGIBLE * now
        if not is_open.any():
            break
        # The network is only piecewise smooth (ReLU), so a full step may be too long: halve it until it improves.
        lengths = is_open.to(steps.dtype)
        for halvings in range(7):
            there = solution.embedding + lengths.unsqueeze(1) * steps
            with torch.no_grad():
                raw_there = score(there[person])
            after = posterior(there, raw_there)
            is_worse = is_open & ~(after <= now)
            if not is_worse.any():
                break
            lengths = torch.where(is_worse, lengths / 2 if halvings < 5 else 0, lengths)
        # Derivatives take longer than all else. Those that foretold a person's scores are still right.
        forecast = raw + (jacobian * (there - solution.embedding)[person]).sum(1)
        surprises = rated.sums(((raw_there - forecast).abs() > LINEAR * link.noise_std).to(raw.dtype))
        if surprises.any():
            _, derivatives = with_derivatives(score, there[person])
            jacobian = torch.where((surprises > 0)[person].unsqueeze(1), derivatives, jacobian)
        is_open &= (lengths > 0) & (now - after > TOLERANCE * after)
        raw, now = raw_there, after
        solution = linearised(there, raw, jacobian)
    return solution


def means_that_give(embeddings: Tensor, rated: Rated, precision: Tensor, link: Link) -> Tensor:
    """The prior means [B, E] for which ``embeddings`` [B, E] are what the ratings give; ``precision``: the prior's.

    Where the posterior has no slope: ``mean = embedding - precision^-1 J' g``, with the scores' derivatives J [n, E]
    and the log likelihood's by the scores g [n], both at the embedding.
    """
    raw, jacobian = with_derivatives(rated.score, embeddings[rated.person])
    gradient, _ = link.gradient_and_curvature(raw, rated.ratings)
    slopes = rated.sums(jacobian * gradient.unsqueeze(1))
    return embeddings - torch.linalg.solve(precision, slopes.t()).t()


def in_groups(people: Sequence[int], sizes: Sequence[int]) -> Iterator[list[int]]:
    """The people in groups of at most ``ROWS_AT_ONCE``; whoever has more is alone.

    ``sizes``: the rows of each, one of derivatives a rating, and the E of the precision.
    """
    group, total = [], 0
    for one, size in zip(people, sizes, strict=True):
        if group and total + size > ROWS_AT_ONCE:
            yield group
            group, total = [], 0
        group.append(one)
        total += size
    if group:
        yield group


def with_derivatives(score: Callable[[Tensor], Tensor], embeddings: Tensor) -> tuple[Tensor, Tensor]:
    """Scores [N] of embeddings [N, E], and each one's derivatives [N, E], in one backward pass."""
    with torch.enable_grad():
        copies = embeddings.clone().requires_grad_()
        raw = score(copies)
        (jacobian,) = torch.autograd.grad(raw.sum(), copies)
    return raw.detach(), jacobian


def scorer(network: Network, features: Tensor, weights: Tensor, items: Tensor) -> Callable[[Tensor], Tensor]:
    """Scores of ``items`` [n, D] for n embeddings [n, E]; side features and weights: of one person, [C], or [n, C]."""
    features, weights = features.expand(len(items), -1), weights.expand(len(items), -1)
    return lambda embeddings: network.score_pairs(network.encode_users(embeddings, features, weights), items)


def prior_of(embeddings: np.ndarray) -> Prior:
    """The Gaussian prior of the users' embeddings float32 [users, E] that training found.

    The empirical covariance is mixed with a tenth of its own diagonal mean, so that it can be inverted when there
    are fewer users than dimensions. Sums are of float64, a block of users at a time.
    """
    users, size = embeddings.shape
    blocks = [slice(start, start + BLOCK) for start in range(0, users, BLOCK)]
    mean = sum(embeddings[block].sum(axis=0, dtype=np.float64) for block in blocks) / users
    squares = np.zeros((size, size))
    for block in blocks:
        centred = embeddings[block] - mean
        squares += centred.T @ centred
    covariance = squares / max(users - 1, 1)
    ridge = 0.1 * max(np.trace(covariance) / size, 1e-4)
    precision = np.linalg.inv(covariance + ridge * np.eye(size))
    return Prior(torch.from_numpy(mean).float(), torch.from_numpy(precision).float())
