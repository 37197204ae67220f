"""Lists of what is asked for next: the latest rows are the test, those before them are for validation.

As in ``ranking.py``, every held-out row is a positive, and every contestant chooses its settings by NDCG@10 on the
validation rows. Lists are those of users who have rows before the cut.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch

from training.config import Settings as OurSettings
from training.config import preset
from training.data import RatingsLog, split
from training.estimators import Recommender
from training.interactions import Interactions, encode
from training.metrics.names import Metric
from training.metrics.ranking import Order, measure, ndcg_of_users, users_of
from training.rankers import ease

from . import grids
from .grids import Settings, grid
from .ranking import ALWAYS_FIXED, several
from .records import Record, Task, stopwatch

SECONDS_A_DAY = 86_400
DAYS = (7, 30)
DRAWS = 10_000  # of users, with replacement
RARELY = 0.05  # an interval leaves out the truth so often

Fit = Callable[[Interactions, Settings], Order]  # to what orders lists


def popularity(train: Interactions, settings: Settings) -> Order:
    """By rows: all, those of the last ``days``, or with weights that halve every ``half_life`` days."""
    ages = (train.timestamps.max() - train.timestamps) / SECONDS_A_DAY
    weights = ages <= settings["days"] if "days" in settings else 0.5 ** (ages / settings.get("half_life", np.inf))
    counts = torch.from_numpy(np.bincount(train.movie_rows, weights, train.shape[1])).float()
    return lambda rows: counts.repeat(len(rows), 1)


def neighbours(train: Interactions, settings: Settings) -> Order:
    from .peers.neighbours import ItemKNN

    return _order(ItemKNN(**settings), train)


def als(train: Interactions, settings: Settings) -> Order:
    from .peers.implicit import Implicit

    return _order(Implicit("implicit, ALS", **settings), train)


def dense_ease(train: Interactions, settings: Settings) -> Order:
    from .peers.ease import EASE

    return _order(EASE(**settings), train)


def sasrec(train: Interactions, settings: Settings) -> Order:
    from .peers.sasrec import SASRec

    return _order(SASRec(**settings), train)


def _order(peer: Recommender, train: Interactions) -> Order:
    return peer.fit(train).order


PEERS: dict[str, tuple[Fit, list[Settings]]] = {
    "popularity": (popularity, [{}]),
    **{f"popularity, last {days} days": (popularity, [{"days": days}]) for days in DAYS},
    "popularity, older rows weigh less": (popularity, grid(half_life=(1, 2, 4, 7, 14, 30, 60, 120))),
    "item-kNN": (neighbours, grid(neighbours=(10, 20, 50, 100, 200, 500))),
    "implicit, ALS": (
        als,
        grid(
            factors=(8, 16, 32, 64, 128),
            regularization=(10.0, 30.0, 100.0),
            alpha=(1.0, 4.0, 16.0),
            iterations=(15,),
        ),
    ),
    "EASE": (dense_ease, grid(ridge=(30.0, 100.0, 300.0, 1000.0, 3000.0))),
    "SASRec": (sasrec, [{"n_factors": 32, "epochs": 30}]),
}
REFERENCE = {"half_life": 7}  # of ``popularity``, which its validation rows choose: the best of the others


def of_peer(log: RatingsLog, name: str) -> Record:
    fit, settings = PEERS[name]
    train, validation, both, test = _parts(log, False)
    with stopwatch("tuning") as tuning:
        # What is not tuned needs no fit for it.
        found = [measure(fit(train, each), train, validation)[Metric.NDCG] for each in settings if len(settings) > 1]
    best = int(np.argmax(found or [0.0]))
    with stopwatch() as seconds:
        order = fit(both, settings[best])
    return _measured(order, both, test) | grids.choice(best, settings) | _validated(found) | tuning | seconds


def of_ours(log: RatingsLog, use_features: bool, **changes: Any) -> Record:
    """The list ranker, chosen and fitted as ``python -m training train --split time`` does."""
    train, validation, both, test = _parts(log, use_features)
    before = dataclasses.replace(preset("best", "mf"), **changes)
    with stopwatch("tuning") as tuning:
        settings, lists = ease.choose(train, validation, before)
    with stopwatch() as seconds:
        order = ease.order(ease.fit(both, settings), both)
    chosen = {name: getattr(settings, name)[0] for name in _grid(before)}
    return _measured(order, both, test) | {"chosen": chosen} | _validated([lists[Metric.NDCG]]) | tuning | seconds


def _grid(settings: OurSettings) -> Settings:
    """The settings of lists that validation rows choose among: half-lives too, as the test rows are the latest."""
    return several(settings, fixed=ALWAYS_FIXED)


def _parts(log: RatingsLog, use_features: bool) -> tuple[Interactions, Interactions, Interactions, Interactions]:
    """Training and validation rows, both, and test rows."""
    everything, parts = encode(log, use_features), split(log, "time", seed=0)
    train, validation, test = parts.take(everything)
    return train, validation, everything.take(np.union1d(parts.train, parts.validation)), test


def _validated(ndcg: list[float]) -> Record:
    return {"validation_ndcg@10": round(max(ndcg), 5)} if ndcg else {}


def _measured(order: Order, train: Interactions, test: Interactions) -> Record:
    """Metrics, intervals of the NDCG@10 and of how far it is above that of ``REFERENCE``, and how many users there are.

    The intervals are bootstraps over users, who are the same for both.
    """
    reference = popularity(train, REFERENCE)
    ours, others = (ndcg_of_users(each, train, test) for each in (order, reference))
    return (
        {name: round(value, 5) for name, value in measure(order, train, test).items()}
        | {"users": len(users_of(train, test)), "cold_users": len(users_of(train, test, cold=True))}
        | {"ndcg_interval": _interval(ours), "ahead": round(float((ours - others).mean()), 5)}
        | {"ahead_interval": _interval(ours - others)}
    )


def _interval(values: np.ndarray) -> list[float]:
    """Of the mean of ``values`` [users]: the percentile bootstrap."""
    drawn = np.random.default_rng(0).integers(0, len(values), (DRAWS, len(values)))
    return np.quantile(values[drawn].mean(axis=1), [RARELY / 2, 1 - RARELY / 2]).round(5).tolist()


def tasks(log: RatingsLog, data: str) -> Iterator[Task]:
    if not log.has_timestamps:
        return
    task = partial(Task, "later", data, "time")
    for name, (_, settings) in PEERS.items():
        yield task(name, 0, settings, partial(of_peer, log, name))
    ours = _grid(preset("best", "mf"))
    without = {"list_half_lives": (0.0,)}
    yield task("ours: ids, without trend", 0, ours | without, partial(of_ours, log, False, **without))
    yield task("ours: ids (`mf`)", 0, ours, partial(of_ours, log, False))
    yield task("ours: and side features (`fm`, `deepfm`)", 0, ours, partial(of_ours, log, True))
