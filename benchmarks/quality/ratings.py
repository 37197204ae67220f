"""Predicting held-out ratings: u1 to u5 of MovieLens 100K, and a random tenth of MovieLens 1M.

RMSE and MAE of predictions clipped to the scale; AUC of "rated above 3", the predictions taken as they are as an order
of all test pairs. No contestant sees a test row, or chooses anything by one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
from sklearn.metrics import roc_auc_score

from training.config import preset
from training.data import RatingsLog, split
from training.data.splits import FOLDS
from training.estimators import Recommender
from training.interactions import Interactions, encode
from training.metrics.names import Metric
from training.metrics.rating import rating_metrics

from . import grids, ours
from .grids import Settings
from .peers import PEERS
from .records import Record, Task, stopwatch

LIKE_ABOVE = 3.0
SEEDS = (0, 1, 2)
TEST_SHARES = {"random": 0.1, "time": 0.2}  # of MovieLens 1M, and the latest of MovieLens 100K
VALIDATION_SHARE = 0.1  # of the training rows, where a peer is tuned
OURS = (("mf", "rating"), ("fm", "rating"), ("deepfm", "rating"), ("deepfm", "like"))


@dataclass(frozen=True, eq=False)
class Part:
    """A log, its split by name, and the positions of what is trained on and of what is predicted."""

    log: RatingsLog
    how: str
    train: np.ndarray
    test: np.ndarray

    @cached_property
    def interactions(self) -> tuple[Interactions, Interactions]:
        """Those of training and test."""
        everything = encode(self.log, True)
        return everything.take(self.train), everything.take(self.test)


def part(log: RatingsLog, how: str, seed: int) -> Part:
    """A fold or a split by time, which are the same for every seed, or a random split, which is not."""
    parts = split(log, how, seed, validation=0.0, test=TEST_SHARES.get(how, 0.2))
    return Part(log, how, parts.train, parts.test)


def score(predicted: np.ndarray, ratings: np.ndarray) -> Record:
    """Of predictions [n] that are not clipped, and the ratings [n] that were given."""
    clipped = np.clip(predicted, ratings.min(), ratings.max())
    found = rating_metrics(ratings, clipped) | {Metric.AUC: float(roc_auc_score(ratings > LIKE_ABOVE, predicted))}
    return {name: round(value, 5) for name, value in found.items()}


def of_peer(log: RatingsLog, how: str, seed: int, library: str, settings: Settings | list[Settings]) -> Record:
    train, held_out = part(log, how, seed).interactions
    make = partial(PEERS[library], seed=seed)
    about: Record = {}
    if isinstance(settings, list):
        settings, about = _tuned(make, settings, train, seed)
    with stopwatch() as seconds:
        peer = make(**settings).fit(train)
    return _error(peer, held_out) | about | seconds


def _tuned(
    make: Callable[..., Recommender], grid: list[Settings], train: Interactions, seed: int
) -> tuple[Settings, Record]:
    """The best of a grid by RMSE on some of the training rows, fitted to the others."""
    order = np.random.default_rng(seed).permutation(len(train))
    aside, rest = np.split(order, [round(VALIDATION_SHARE * len(order))])
    fitted_to, held_out = train.take(np.sort(rest)), train.take(aside)
    with stopwatch("tuning") as seconds:
        found = [_error(make(**settings).fit(fitted_to), held_out)[Metric.RMSE] for settings in grid]
    best = int(np.argmin(found))
    return grid[best], grids.choice(best, grid) | seconds


def _error(recommender: Recommender, held_out: Interactions) -> Record:
    return score(recommender.predict_rows(held_out.user_rows, held_out.movie_rows), held_out.ratings)


def of_ours(log: RatingsLog, how: str, seed: int, model: str, settings: ours.Settings) -> Record:
    if how in FOLDS:
        return ours.trained(model, settings, log, how, seed)
    rows = part(log, how, seed)
    return ours.trained(model, settings, log.with_rows(rows.train), how, seed, log.ratings.iloc[rows.test])


def tasks(log: RatingsLog, data: str) -> Iterator[Task]:
    """Fold u1 with three seeds (of ours and of what is cheap), then the other folds; one random split of ml-1m."""
    runs = (
        [("u1", seed) for seed in SEEDS] + [(fold, 0) for fold in FOLDS[1:]] if data == "ml-100k" else [("random", 0)]
    )
    presets = ("quick", "best") if data == "ml-100k" else ("best",)
    for how, seed in runs:
        yield from _tasks("ratings", log, data, how, seed, presets, grids.RATINGS[data])


def later_tasks(log: RatingsLog, data: str) -> Iterator[Task]:
    """The latest fifth of MovieLens 100K, and what is not tuned on rows drawn at random."""
    if data == "ml-100k":
        untuned = {name: peer for name, peer in grids.RATINGS[data].items() if not isinstance(peer[1], list)}
        yield from _tasks("later_ratings", log, data, "time", 0, ("quick", "best"), untuned)


def _tasks(
    table: str, log: RatingsLog, data: str, how: str, seed: int, presets: tuple[str, ...], peers: grids.RatingPeers
) -> Iterator[Task]:
    for name, (library, settings) in peers.items():
        yield Task(table, data, how, name, seed, settings, partial(of_peer, log, how, seed, library, settings))
    for choice in presets:
        for model, target in OURS:
            settings = preset(choice, model, target)
            name = f"ours: `{model} --target {target} --preset {choice}`"
            run = partial(of_ours, log, how, seed, model, settings)
            yield Task(table, data, how, name, seed, dataclasses.asdict(settings), run)
