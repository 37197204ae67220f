"""Estimators fitted to some rows of a log, for tests of what is below them."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch

from training.config import Settings, preset
from training.data import RatingsLog
from training.estimators import ESTIMATORS, TwoEncoderEstimator
from training.interactions import Interactions, encode, to_rows
from training.models import TwoEncoder


def quick(model: str, target: str = "rating", **settings) -> Settings:
    return dataclasses.replace(preset("quick", model, target), **settings)


def fitted(
    model: str,
    log: RatingsLog,
    settings: Settings,
    train: np.ndarray,
    validation: np.ndarray | None = None,
    seed: int = 0,
) -> TwoEncoderEstimator:
    """An estimator fitted to rows of a log, whose sides are those of the whole log; without a list ranker."""
    estimator = ESTIMATORS[model](settings, seed=seed, list_ranker=False)
    everything = encode(log, estimator.uses_features)
    return estimator.fit(everything.take(train), None if validation is None else everything.take(validation))


def rows_of(estimator: TwoEncoderEstimator, log: RatingsLog, rows: np.ndarray) -> Interactions:
    return to_rows(log.ratings.iloc[rows], estimator.train.users, estimator.train.movies)


def raw_scores(
    estimator: TwoEncoderEstimator, log: RatingsLog, rows: np.ndarray, user: int | None = None, movie: int | None = None
) -> np.ndarray:
    """Raw scores of rows of the log, all of them as if they were of one ``user`` or ``movie`` row."""
    found = rows_of(estimator, log, rows)
    users = found.user_rows if user is None else np.full_like(found.user_rows, user)
    movies = found.movie_rows if movie is None else np.full_like(found.movie_rows, movie)
    return estimator.raw_scores(users, movies).numpy()


def rmse(predicted: np.ndarray, actual: np.ndarray) -> float:
    return float(np.sqrt(np.square(predicted - actual).mean()))


def gradients(network: TwoEncoder, loss: torch.Tensor) -> dict[str, torch.Tensor]:
    network.zero_grad()
    loss.backward()
    return {name: weight.grad.clone() for name, weight in network.named_parameters() if weight.grad is not None}
