"""Fitting MF or FM to ratings by Gibbs sampling: the average of posterior samples becomes one network."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from .. import calls
from ..config import Settings
from ..errors import SettingsError
from ..interactions import Interactions
from ..models import TwoEncoder
from ..samplers import gibbs
from ..samplers.average import Average
from ..samplers.gibbs import Sample
from ..samplers.likelihoods import Scale
from .fit import Fit
from .losses import DivergedError, Losses, OnEpoch
from .write import write_side

SOME_ROWS = 50_000  # training rows that the scale of raw scores is taken from, and validation rows of a loss
BATCH = 5  # samples whose scores are kept as one sum
LEAST_SAMPLES = 20  # of fewer, two halves say little about the variance of their average
# A fit stops when the variance of the average from the choice of its samples is this share of the noise's: it adds half
# of that share to an RMSE. MovieLens 100K stays above it (0.003 to 0.006); 5 and 25 million ratings pass it.
MONTE_CARLO_SHARE = 0.001
CHOOSING_SHARE = 0.002  # for a fit that only chooses settings


@torch.no_grad()
def fit(
    network: TwoEncoder,
    train: Interactions,
    validation: Interactions | None,
    settings: Settings,
    seed: int,
    on_epoch: OnEpoch,
    only_chooses: bool = False,
) -> Fit:
    """Set the network's embeddings to the average of posterior samples given ``train``.

    The average is of ``settings.sweeps`` sweeps, or of fewer where its variance is a small share of the noise's, twice
    as large for a fit that ``only_chooses`` settings. The losses are squared errors: of each sample on what the
    training rows' scores explain (centred ratings, or noisy scores drawn between the cut points), and of the average so
    far on some ``validation`` rows. Raises DivergedError for a loss that is not finite, SettingsError for a target that
    cannot be fitted so.
    """
    if settings.target != "rating":
        raise SettingsError("gibbs fits ratings: use --method adam for --target like")
    sampler = gibbs.Sampler.of(train, settings, seed, network.uses_features, network.mean.device)
    average, losses = Average(settings.n_factors, sampler.users.view.rated, sampler.movies.view.rated), Losses()
    exact_to = CHOOSING_SHARE if only_chooses else MONTE_CARLO_SHARE
    seen = _Predictions(train.some(SOME_ROWS, seed), sampler)
    held_out = None if validation is None else _Predictions(validation.some(SOME_ROWS, seed), sampler)
    for count, sample in enumerate(calls.in_step(sampler), 1):
        average.add(sample)
        seen.add(sample)
        losses.train.append(float(sampler.likelihood.error))
        if not np.isfinite(losses.train[-1]):
            raise DivergedError(f"the loss is {losses.train[-1]} in sample {count}: look for extreme ratings")
        if held_out is not None:
            held_out.add(sample)
            losses.validation.append(held_out.error())
        on_epoch(count, losses.train[-1], losses.validation[-1] if losses.validation else None)
        if seen.is_exact_to(exact_to):
            break
    slope, shift, link = seen.scale()
    users, movies = average.embeddings()
    for side, data, table, rated in (
        (network.users, train.users, users, train.user_rows),
        (network.items, train.movies, movies, train.movie_rows),
    ):
        table[:, :-1] *= math.sqrt(slope)
        table[:, -1] *= slope
        write_side(side, data, table, network.uses_features, rated)
    network.mean.fill_(shift)
    return Fit(network, losses, link)


class _Predictions:
    """What the average of a sampler's samples predicts for some interactions."""

    def __init__(self, interactions: Interactions, sampler: gibbs.Sampler) -> None:
        self.likelihood, self.ratings = sampler.likelihood, interactions.ratings
        device = sampler.users.view.device
        self.rows = tuple(
            torch.from_numpy(rows).to(device) for rows in (interactions.user_rows, interactions.movie_rows)
        )
        self.count = 0
        self.total = torch.zeros(len(self.ratings), dtype=torch.float64, device=device)
        self.squares = torch.zeros_like(self.total)
        self.batches: list[Tensor] = []  # totals of BATCH samples each

    def add(self, sample: Sample) -> None:
        """Add one factorization."""
        scores = gibbs.pair_scores(sample.users, sample.movies, *self.rows)
        if self.count % BATCH == 0:
            self.batches.append(torch.zeros_like(scores))
        self.batches[-1] += scores
        self.count += 1
        self.total += scores
        self.squares += scores.double().square()

    def scale(self) -> Scale:
        """What the average of the samples' scores means.

        Their variance from sample to sample is that of the rows themselves. Rows that it has not seen vary more, but a
        spread made from those has a higher negative log likelihood on held-out ratings (1.2218 against 1.2201: FM
        on MovieLens 100K).
        """
        mean = self.total / self.count
        variance = float((self.squares / self.count - mean.square()).mean())
        return self.likelihood.scale(mean.cpu().numpy(), variance)

    def error(self) -> float:
        """Mean squared error of what the average predicts."""
        slope, shift, link = self.scale()
        raw = slope * self.total.cpu() / self.count + shift
        return float(np.square(link.inverse_link(raw).numpy() - self.ratings).mean())

    def is_exact_to(self, share: float) -> bool:
        """Whether the variance of the average is less than this share of the noise's.

        The squared difference between the average of the first half of the samples and that of the second half is four
        times the variance of the average of all, whatever the correlation of successive samples, as long as that does
        not last half of the chain.
        """
        if self.count < LEAST_SAMPLES or self.count % (2 * BATCH):
            return False
        half = len(self.batches) // 2
        difference = sum(self.batches[:half]) - sum(self.batches[half:])
        variance = float((difference / (half * BATCH)).square().mean()) / 4
        return variance < share * self.likelihood.error
