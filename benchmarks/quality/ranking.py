"""Lists: every held-out row a positive, over the whole catalogue, what a user has rated left out.

A random quarter of the rows is the test. A tenth of all rows, out of the others, are for validation: every contestant
has as many trials, fitted to the rest and compared by NDCG@10 on them. It is then fitted to both and measured once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np
import torch
from optuna.distributions import distribution_to_json

from handlers.recommender.model.list_ranker import ListRanker
from training.config import Settings as OurSettings
from training.config import preset
from training.data import RatingsLog, Split, split
from training.interactions import Interactions, encode
from training.metrics.names import Metric
from training.metrics.ranking import Order, measure
from training.rankers import ease
from training.search import Space, Values, best_of, search
from training.tuning import LIST_RATINGS, LISTS, lists_part, widened

from .grids import RANKING, TRIALS, Contestant
from .peers import PEERS
from .records import Record, Task, stopwatch

TEST, VALIDATION = 0.25, 0.1
SEEDS = {"ml-100k": 3, "ml-1m": 1, "gowalla": 1}
# No weight of side features is chosen unless it is asked for, and no power of weights where rows have none.
ALWAYS_FIXED = ("list_weight_powers", "list_feature_weights")
FIXED = ("list_half_lives", *ALWAYS_FIXED)  # no half-life is chosen where the test rows are drawn at random


class Fitted(NamedTuple):
    """What orders lists, and the bytes that it takes."""

    order: Order
    size: int


Fit = Callable[[Interactions, Values], Fitted]


@dataclass(frozen=True, eq=False)
class Protocol:
    """A log's split by a seed, and how its contestants are measured. What it makes is made once for all of them."""

    log: RatingsLog
    seed: int

    @cached_property
    def parts(self) -> Split:
        return split(self.log, "random", self.seed, validation=VALIDATION, test=TEST)

    def rows(self, use_features: bool = False) -> tuple[Interactions, Interactions, Interactions, Interactions]:
        """Those of training, of validation, of both, and of the test."""
        everything = encode(self.log, use_features)
        train, validation, test = self.parts.take(everything)
        return train, validation, everything.take(np.union1d(self.parts.train, self.parts.validation)), test

    @cached_property
    def vectors(self) -> torch.Tensor:
        """What the diversity of everybody's lists is measured by: the vectors of similar movies of a list ranker."""
        return ease.fit(self.rows()[2], preset("best", "mf")).item_similarity

    def measured(self, fitted: Fitted, both: Interactions, test: Interactions) -> Record:
        found = measure(fitted.order, both, test, vectors=self.vectors)
        return {name: round(value, 5) for name, value in found.items()} | {"model_mb": round(fitted.size / 1e6, 2)}


def tuned(fit: Fit, space: Space, first: Values, n_trials: int, protocol: Protocol) -> Record:
    """The best of the trials on the validation rows, fitted to training and validation rows, on the test rows."""
    train, validation, both, test = protocol.rows()

    def value(values: Values) -> float:
        return measure(fit(train, values).order, train, validation)[Metric.NDCG]

    with stopwatch("tuning") as tuning:
        trials = search(space, first, value, Metric.NDCG, n_trials, protocol.seed)
    best = trials[best_of(trials, Metric.NDCG)]
    with stopwatch() as seconds:
        fitted = fit(both, best.params)
    chosen = {"chosen": _short(best.params), "trials": n_trials, "validation_ndcg@10": round(best.value, 5)}
    return protocol.measured(fitted, both, test) | chosen | tuning | seconds


def popularity(protocol: Protocol) -> Record:
    train, _, both, test = protocol.rows()
    counts = torch.from_numpy(np.bincount(both.movie_rows, minlength=train.shape[1])).float()
    return protocol.measured(Fitted(lambda rows: counts.repeat(len(rows), 1), counts.nbytes), both, test)


def of_peer(protocol: Protocol, peer: Contestant, n_trials: int) -> Record:
    def fit(train: Interactions, values: Values) -> Fitted:
        fitted = PEERS[peer.library](seed=protocol.seed, **peer.fixed, **values).fit(train)
        return Fitted(fitted.order, fitted.size)

    return tuned(fit, peer.space, peer.first, n_trials, protocol)


def of_ours(protocol: Protocol, use_features: bool, n_trials: int | None = None) -> Record:
    """The list ranker, chosen and fitted as ``python -m training train`` does, with ``--tune`` where trials are given.

    Each trial chooses among several ridges and dampings, as one fit gives rankers of all of them. The last one is the
    fit that chooses these among more, and the number of factors.
    """
    train, validation, both, test = protocol.rows(use_features)
    settings, about = preset("best", "mf"), {"trials": _trials(**several(preset("best", "mf")))}
    with stopwatch("tuning") as tuning:
        if n_trials is not None:
            about = {"trials": n_trials}
            part = lists_part(train, validation)
            trials = part.tried(settings, n_trials - 1, protocol.seed)
            best = part.best(trials)
            settings = dataclasses.replace(settings, **trials[best].params)
            settings = widened(settings) if best else settings
        settings, found = ease.choose(train, validation, settings)
    with stopwatch() as seconds:
        ranker = ease.fit(both, settings)
    chosen = {name: value[0] for name, value in several(settings).items()}
    if n_trials is not None:
        chosen |= trials[best].params
    about |= {"chosen": _short(chosen), "validation_ndcg@10": round(found[Metric.NDCG], 5)}
    return protocol.measured(Fitted(ease.order(ranker, both), _size(ranker)), both, test) | about | tuning | seconds


def several(settings: OurSettings, fixed: tuple[str, ...] = FIXED) -> dict[str, tuple]:
    """The settings of lists that validation rows choose among: those with several values, without ``fixed`` ones."""
    lists = {name: value for name, value in asdict(settings).items() if name.startswith("list_")}
    return {name: value for name, value in lists.items() if isinstance(value, tuple) and name not in fixed}


def _trials(list_ridges: tuple, list_dampings: tuple, list_strengths: tuple, list_factors: tuple) -> int:
    """How many rankers ``ease.choose`` measures: strengths, and then factors, are chosen after the others."""
    return len(list_ridges) * len(list_dampings) + len(list_strengths) + len(list_factors)


def _size(ranker: ListRanker) -> int:
    """Bytes of what makes lists: not of the vectors of similar movies."""
    return ranker.inputs.nbytes + ranker.items.nbytes + ranker.cold_start.nbytes


def _short(values: Values) -> dict[str, Any]:
    return {name: float(f"{value:.3g}") if isinstance(value, float) else value for name, value in values.items()}


def _json(space: Space) -> dict[str, str]:
    return {name: distribution_to_json(distribution) for name, distribution in space.items()}


def tasks(log: RatingsLog, data: str) -> Iterator[Task]:
    n_trials, grid = TRIALS[data], several(preset("best", "mf"))
    tuning = {"trials": n_trials, "space": _json(LISTS | LIST_RATINGS)} | several(widened(preset("best", "mf")))
    for seed in range(SEEDS[data]):
        protocol = Protocol(log, seed)
        task = partial(Task, "ranking", data, "random")
        yield task("popularity", seed, None, partial(popularity, protocol))
        ours = {"ours: ids (`mf`)": False, "ours: and side features (`fm`, `deepfm`)": True}
        if not log.user_features and not log.movie_features:
            ours = {"ours": False}
        for name, features in ours.items():
            yield task(name, seed, grid, partial(of_ours, protocol, features))
            yield task(f"{name}, tuned", seed, tuning, partial(of_ours, protocol, features, n_trials))
        for name, peer in RANKING.items():
            if data in peer.data and seed < peer.seeds:
                settings = {"trials": n_trials, "space": _json(peer.space), "first": peer.first} | peer.fixed
                yield task(name, seed, settings, partial(of_peer, protocol, peer, n_trials))
