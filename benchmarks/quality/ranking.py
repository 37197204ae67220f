"""Lists: every held-out row a positive, over the whole catalogue, what a user has rated left out.

A random quarter of the rows is the test. A tenth of all rows, out of the others, are for validation: every contestant
chooses its settings by NDCG@10 on them, fitted to the rest, and is then fitted to both and measured once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
import torch

from training.config import preset
from training.data import RatingsLog, Split, split
from training.interactions import Interactions, encode
from training.metrics.names import Metric
from training.metrics.ranking import Order, measure
from training.rankers import ease

from . import grids
from .grids import Settings
from .peers import PEERS
from .records import Record, Task, stopwatch

TEST, VALIDATION = 0.25, 0.1
SEEDS = {"ml-100k": (0, 1, 2), "ml-1m": (0,), "gowalla": (0,)}

Fit = Callable[[Interactions, Settings], Order]  # to what orders lists


def tuned(fit: Fit, grid: list[Settings], everything: Interactions, parts: Split) -> Record:
    """The best of a grid on the validation rows, fitted to training and validation rows, on the test rows."""
    train, held_out, test = parts.take(everything)
    with stopwatch("tuning") as tuning:
        found = [measure(fit(train, settings), train, held_out)[Metric.NDCG] for settings in grid]
    best = int(np.argmax(found))
    both = everything.take(np.union1d(parts.train, parts.validation))
    with stopwatch() as seconds:
        order = fit(both, grid[best])
    return (
        _measured(order, both, test)
        | {"validation_ndcg@10": round(max(found), 5)}
        | grids.choice(best, grid)
        | tuning
        | seconds
    )


def popularity(log: RatingsLog, seed: int) -> Record:
    def fit(train: Interactions, _: Settings) -> Order:
        counts = np.bincount(train.movie_rows, minlength=train.shape[1])
        return lambda rows: torch.from_numpy(counts).float().repeat(len(rows), 1)

    return tuned(fit, [{}], encode(log, False), _parts(log, seed))


def of_implicit(log: RatingsLog, seed: int, name: str, grid: list[Settings]) -> Record:
    def fit(train: Interactions, settings: Settings) -> Order:
        return PEERS["implicit"](algorithm=name, seed=seed, **settings).fit(train).order

    return tuned(fit, grid, encode(log, False), _parts(log, seed))


def of_ours(log: RatingsLog, seed: int, use_features: bool) -> Record:
    """The list ranker, chosen and fitted as ``python -m training train`` does."""
    everything, parts = encode(log, use_features), _parts(log, seed)
    train, validation, test = parts.take(everything)
    settings = preset("best", "mf")
    with stopwatch("tuning") as tuning:
        settings, _ = ease.choose(train, validation, settings)
    both = everything.take(np.union1d(parts.train, parts.validation))
    with stopwatch() as seconds:
        ranker = ease.fit(both, settings)
    return (
        _measured(ease.order(ranker, both), both, test)
        | {"chosen": {name: value[0] for name, value in _grid(settings).items()}}
        | {"trials": _trials(**_grid(preset("best", "mf")))}
        | tuning
        | seconds
    )


def _grid(settings: Any) -> dict[str, tuple]:
    """The settings of lists that validation rows choose among: those with several values."""
    lists = {name: value for name, value in asdict(settings).items() if name.startswith("list_")}
    # Where the test rows are drawn at random, no half-life is chosen.
    return {name: value for name, value in lists.items() if isinstance(value, tuple) and name != "list_half_lives"}


def _trials(list_ridges: tuple, list_dampings: tuple, list_factors: tuple) -> int:
    """How many rankers ``ease.choose`` measures: the number of factors is chosen after the others."""
    return len(list_ridges) * len(list_dampings) + len(list_factors)


def _parts(log: RatingsLog, seed: int) -> Split:
    return split(log, "random", seed, validation=VALIDATION, test=TEST)


def _measured(order: Order, train: Interactions, test: Interactions) -> Record:
    """All contestants' lists are compared by the same vectors of movies: those of a list ranker fitted to ``train``."""
    vectors = ease.fit(train, preset("best", "mf")).item_similarity
    return {name: round(value, 5) for name, value in measure(order, train, test, vectors=vectors).items()}


def tasks(log: RatingsLog, data: str) -> Iterator[Task]:
    for seed in SEEDS[data]:
        task = partial(Task, "ranking", data, "random")
        yield task("popularity", seed, None, partial(popularity, log, seed))
        ours = {"ours: ids (`mf`)": False, "ours: and side features (`fm`, `deepfm`)": True}
        if not log.user_features and not log.movie_features:
            ours = {"ours": False}
        for name, features in ours.items():
            yield task(name, seed, _grid(preset("best", "mf")), partial(of_ours, log, seed, features))
        for name, grid in grids.RANKING[data].items():
            yield task(name, seed, grid, partial(of_implicit, log, seed, name, grid))
