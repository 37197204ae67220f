"""Seconds to a given RMSE on u1: ours and myFM with ever more sweeps, in turns.

The goal is a stopwatch's: how soon is a held-out RMSE reached that was named before. The fits choose nothing by it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import partial

from training.config import preset
from training.data import RatingsLog
from training.evaluate import predict
from training.fitting import build, fit

from . import grids
from .ratings import SEEDS, part, score
from .records import Record, Task, stopwatch

OURS, MYFM = "ours: `fm --preset quick`", "myFM, ids and histories"


def of_ours(log: RatingsLog, seed: int, sweeps: int) -> Record:
    settings, rows = preset("quick", "fm"), part(log, "u1", seed)
    settings = dataclasses.replace(settings, sweeps=sweeps, burn_in=min(settings.burn_in, sweeps))
    data, held_out = rows.dataset, rows.dataset.take(rows.test)
    with stopwatch() as seconds:
        fitted = fit(build("fm", data, rows.train, settings, seed), data, rows.train, None, settings, seed)
    raw = predict(fitted, data, held_out, settings).raw
    return score(fitted.link.inverse_link(raw).numpy(), held_out.ratings) | seconds


def of_myfm(log: RatingsLog, seed: int, sweeps: int) -> Record:
    from .peers import myfm  # only the environment of this benchmark has it

    rows = part(log, "u1", seed)
    data, held_out = rows.dataset, rows.dataset.take(rows.test)
    _, settings = grids.RATINGS["ml-100k"][MYFM]
    with stopwatch() as seconds:
        predict = myfm.fit(data, rows.train, settings | {"sweeps": sweeps}, seed)
    return score(predict(held_out), held_out.ratings) | seconds


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
