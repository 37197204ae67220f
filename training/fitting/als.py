"""Fitting MF or FM to a log of likes: the scores of alternating least squares become logits.

A logit is that of "a like, and not a movie drawn at random", as gradient descent's are.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from handlers.recommender.model.link import Logistic

from .. import calls
from ..config import Settings
from ..errors import SettingsError
from ..interactions import Interactions
from ..metrics.rating import like_log_loss
from ..models import TwoEncoder
from ..samplers.gibbs import pair_scores
from .fit import Fit
from .least_squares import Solver
from .losses import DivergedError, Losses, OnEpoch
from .targets import with_negatives
from .write import write_side

HELD_OUT = 0.1  # share of the likes that choose the regularization
MOST_HELD_OUT = 50_000
PRIOR_VARIANCE = 100.0  # of the logit's coefficients, as a few likes may be told apart perfectly: they have no optimum
LEAST_SLOPE = 1e-3  # of a score in a logit: vectors are scaled by its root


@torch.no_grad()
def fit(
    network: TwoEncoder,
    train: Interactions,
    validation: Interactions | None,
    settings: Settings,
    seed: int,
    on_epoch: OnEpoch,
) -> Fit:
    """Fit ``network`` in place to the likes of ``train``; ``validation`` rows choose nothing.

    A tenth of the likes is held out first. These choose the regularization by their log loss, and say how a score
    becomes a logit: a like that a fit has seen scores higher than a new one. Then all likes are fitted. The losses are
    the mean squared errors ``(1 - s)^2`` of the likes. Raises SettingsError for another target than "like",
    DivergedError where rounding leaves the least squares without a solution.
    """
    if settings.target != "like":
        raise SettingsError("als fits likes: use --method gibbs for --target rating")

    def solver_of(rows: Interactions, regularizations: tuple[float, ...], power: float) -> Solver:
        return Solver.of(rows, settings, regularizations, power, seed, network.uses_features, network.mean.device)

    rest, held_out = _parts(dataclasses.replace(train, timestamps=None), seed)
    ways = []
    for power in settings.weight_powers if train.weights is not None else (0.0,):
        solver = solver_of(rest, settings.regularizations, power)
        ways += [
            (_logits(solver, held_out, seed), solver.regularization, power) for _ in _swept(solver) if not solver.left
        ]
    logits, regularization, power = min(ways, key=lambda way: way[0].log_loss)
    del rest, solver  # as large as the log
    losses, solver = Losses(), solver_of(train, (regularization,), power)
    for loss in _swept(solver):
        losses.train.append(loss)
        on_epoch(len(losses.train), loss, None)
    _write(network, train, solver, logits)
    return Fit(network, losses, Logistic(settings.like_above))


def _swept(solver: Solver) -> Iterator[float]:
    """The loss after each sweep. Raises DivergedError."""
    try:
        yield from calls.in_step(solver)
    except torch.linalg.LinAlgError as error:
        raise DivergedError(
            f"--regularizations {solver.regularization:g} is too little to solve for: give more"
        ) from error


def _parts(train: Interactions, seed: int) -> tuple[Interactions, Interactions]:
    """The likes to fit and those that are held out; of fewer than two all are both."""
    if len(train) < 2:
        return train, train
    order = np.random.default_rng(seed).permutation(len(train))
    count = min(math.ceil(HELD_OUT * len(train)), MOST_HELD_OUT)
    return train.take(np.sort(order[count:])), train.take(np.sort(order[:count]))


class _Logits(NamedTuple):
    """A score s of a movie with n likes is the logit ``slope * s + of_popularity * log(n + 1) + shift``.

    ``log_loss``: of these in nats, on the likes that they are from.
    """

    slope: float
    of_popularity: float
    shift: float
    log_loss: float


def _logits(solver: Solver, held_out: Interactions, seed: int) -> _Logits:
    """The logistic regression that tells likes which the solver has not seen from movies drawn at random."""
    device = solver.movies.embeddings.device
    columns = (torch.from_numpy(rows.astype(np.int64)).to(device) for rows in (held_out.user_rows, held_out.movie_rows))
    liked = torch.ones(len(held_out), device=device)
    generator = torch.Generator().manual_seed(seed)
    users, movies, liked = with_negatives(*columns, liked, held_out.shape[1], generator)
    scores = pair_scores(solver.users.embeddings, solver.movies.embeddings, users, movies)
    inputs = torch.stack([scores, _popularity(solver)[movies]], dim=1).double().cpu().numpy()
    liked = liked.cpu().numpy()
    found = LogisticRegression(C=PRIOR_VARIANCE).fit(inputs, liked)
    slope, of_popularity = found.coef_[0].tolist()
    log_loss = like_log_loss(liked, found.predict_proba(inputs)[:, 1])
    return _Logits(max(slope, LEAST_SLOPE), of_popularity, float(found.intercept_[0]), log_loss)


def _popularity(solver: Solver) -> Tensor:
    """The logarithm of how often each movie is liked: float32 [movies]."""
    return (solver.movies.view.counts + 1).float().log()


def _write(network: TwoEncoder, train: Interactions, solver: Solver, logits: _Logits) -> None:
    popularity = logits.of_popularity * _popularity(solver)
    for side, data, found, bias, rows in (
        (network.users, train.users, solver.users, 0.0, train.user_rows),
        (network.items, train.movies, solver.movies, popularity, train.movie_rows),
    ):
        table = torch.cat([found.embeddings, found.coefficients()])
        table[:, :-1] *= math.sqrt(logits.slope)
        table[:, -1] *= logits.slope
        table[: len(found.embeddings), -1] += bias
        wider = side.n_factors - (table.shape[1] - 1)
        table = torch.cat([table[:, :-1], table.new_zeros(len(table), wider), table[:, -1:]], dim=1)
        write_side(side, data, table, network.uses_features, rows)
    network.mean.fill_(logits.shift)
