"""Seconds to a given RMSE on u1: ours and myFM with ever more sweeps, in turns.

Measures the seconds until a fixed test RMSE is reached. No fit uses that RMSE to choose settings.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import partial

from training.config import preset
from training.data import RatingsLog
from training.estimators import FM, Recommender

from . import grids
from .peers import PEERS
from .ratings import SEEDS, part, score
from .records import Record, Task, stopwatch

OURS, MYFM = "ours: `fm --preset quick`", "myFM, ids and histories"


def of_ours(log: RatingsLog, seed: int, sweeps: int) -> Record:
    settings = preset("quick", "fm")
    settings = dataclasses.replace(settings, sweeps=sweeps, burn_in=min(settings.burn_in, sweeps))
    return _measured(FM(settings, seed=seed, list_ranker=False), log, seed)


def of_myfm(log: RatingsLog, seed: int, sweeps: int) -> Record:
    library, settings = grids.RATINGS["ml-100k"][MYFM]
    return _measured(PEERS[library](seed=seed, **settings | {"sweeps": sweeps}), log, seed)


def _measured(recommender: Recommender, log: RatingsLog, seed: int) -> Record:
    train, held_out = part(log, "u1", seed).interactions
    with stopwatch() as seconds:
        recommender.fit(train)
    return score(recommender.predict_rows(held_out.user_rows, held_out.movie_rows), held_out.ratings) | seconds


def tasks(log: RatingsLog, data: str) -> Iterator[Task]:
    """The two in turns, three seeds."""
    if data != "ml-100k":
        return
    for seed in SEEDS:
        for theirs, mine in zip(grids.SWEEPS[MYFM], grids.SWEEPS[OURS], strict=True):
            for name, sweeps, measured in ((MYFM, theirs, of_myfm), (OURS, mine, of_ours)):
                yield Task(
                    "reach", data, "u1", f"{name}, {sweeps} sweeps", seed, sweeps, partial(measured, log, seed, sweeps)
                )
