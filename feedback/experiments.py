"""Experiments in the store: two versions of a model, and which users get which."""

from __future__ import annotations

import hashlib
import math
import re
from typing import NamedTuple

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from .store import Store
from .tables import experiments

METRICS = ("click", "like")  # what of a list's movies is counted
LONGEST = 365 * 24  # hours of a window
TEAM_A, TEAM_B = "a", "b"  # whose a position of an interleaved list is


class ExperimentError(ValueError):
    """An experiment that cannot be started, stopped or found; the message says what to do."""


class Experiment(NamedTuple):
    """A row of the table, whose comments say what each field is. ``id`` is 0 before the store has it."""

    model: str
    a: str
    b: str
    share: float
    salt: str
    metric: str
    like_above: float
    window: int
    effect: float
    started: int
    stopped: int | None = None
    interleave: bool = False
    id: int = 0

    def version_of(self, user_id: str | None) -> str:
        """The version for a user: always the same one. Somebody without an id gets ``a``."""
        return self.b if not self.interleave and self._is_in_share(user_id) else self.a

    def interleaves(self, user_id: str | None) -> bool:
        """Whether the lists of a user have movies of both versions."""
        return self.interleave and self._is_in_share(user_id)

    def _is_in_share(self, user_id: str | None) -> bool:
        """By the first 64 bits of SHA-256 of salt and id: uniform over users, whatever ids look like."""
        if user_id is None:
            return False
        digest = hashlib.sha256(f"{self.salt}:{user_id}".encode()).digest()
        return int.from_bytes(digest[:8]) < self.share * 2**64


_FIELDS = [experiments.c[name] for name in Experiment._fields]


def start(store: Store, experiment: Experiment) -> Experiment:
    """Store an experiment, which begins to run; returned with its id.

    Raises ExperimentError where a field is out of range, or where one of the model runs. Raises StoreDown.
    """
    check(experiment)
    row = experiment._asdict()
    del row["id"]

    def write(connection: Connection) -> int:
        return connection.execute(insert(experiments).values(row).returning(experiments.c.id)).scalar_one()

    try:
        return experiment._replace(id=store.run(write))
    except IntegrityError:
        other = running(store).get(experiment.model)
        which = f": {other.a} and {other.b} since {other.started}" if other else ""
        raise ExperimentError(
            f"an experiment with {experiment.model} runs already{which}. "
            f"End it first: make experiment MODEL={experiment.model} STOP=1"
        ) from None


def stop(store: Store, model: str, now: int) -> Experiment:
    """End the experiment that runs with a model; returned as it is then. ``now``: seconds since 1970.

    Raises ExperimentError where none runs. Raises StoreDown.
    """
    ended = (
        update(experiments)
        .where(experiments.c.model == model, experiments.c.stopped.is_(None))
        .values(stopped=now)
        .returning(*_FIELDS)
    )
    row = store.run(lambda connection: connection.execute(ended).first())
    if row is None:
        raise ExperimentError(f"no experiment with {model} runs: there is nothing to stop")
    return Experiment(*row)


def running(store: Store) -> dict[str, Experiment]:
    """The experiments that run, by their model. Raises StoreDown."""
    wanted = select(*_FIELDS).where(experiments.c.stopped.is_(None))
    rows = store.run(lambda connection: connection.execute(wanted).all(), reads_only=True)
    return {row.model: Experiment(*row) for row in rows}


def latest(store: Store, model: str) -> Experiment:
    """The experiment with a model that was started last, whether it runs or not.

    Raises ExperimentError where there was none. Raises StoreDown.
    """
    wanted = select(*_FIELDS).where(experiments.c.model == model).order_by(experiments.c.id.desc()).limit(1)
    row = store.run(lambda connection: connection.execute(wanted).first(), reads_only=True)
    if row is None:
        raise ExperimentError(
            f"there was no experiment with {model}: make experiment MODEL={model} A=1.0 B=1.1 SHARE=0.1 starts one"
        )
    return Experiment(*row)


def seconds(hours: float) -> int:
    """A window in the unit of the table. Raises ExperimentError for one that is not above 0 or longer than a year."""
    if not 0 < hours <= LONGEST:
        raise ExperimentError(f"the window is {hours:g} hours: give a time above 0, and at most {LONGEST} hours")
    return max(round(3600 * hours), 1)


def check(experiment: Experiment) -> None:
    """Raise ExperimentError for a field that is out of range."""
    for name, version in (("A", experiment.a), ("B", experiment.b)):
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9}){0,5}", version):
            raise ExperimentError(f"{name} is {version!r}: a version is a number with dots, such as 1.1")
    if experiment.a == experiment.b:
        raise ExperimentError(f"A and B are both {experiment.a}: name two versions")
    is_all = experiment.interleave and experiment.share == 1
    if not (0 < experiment.share < 1 or is_all):
        raise ExperimentError(f"SHARE is {experiment.share:g}: give the part of the users that get B, between 0 and 1")
    if experiment.metric not in METRICS:
        raise ExperimentError(f"the metric is {experiment.metric!r}: give one of {', '.join(METRICS)}")
    if not math.isfinite(experiment.like_above):
        raise ExperimentError(f"the limit of likes is {experiment.like_above:g}: give a rating")
    if not 0 < experiment.effect <= 10:
        raise ExperimentError(f"the effect is {experiment.effect:g}: give a relative difference such as 0.1, above 0")
