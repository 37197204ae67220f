"""Optuna's tree-structured Parzen estimator over a space of values: repeatable, and resumable where it is stored."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from .errors import SettingsError
from .fitting.losses import DivergedError
from .metrics.names import Metric
from .progress import counted, logger

Space = Mapping[str, BaseDistribution]
Values = dict[str, Any]
Measure = Callable[[Values], float]


def search(
    space: Space,
    first: Values,
    measured: Measure,
    metric: Metric,
    n_trials: int,
    seed: int = 0,
    title: str = "settings",
    storage: BaseStorage | None = None,
    name: str = "study",
) -> list[FrozenTrial]:
    """``n_trials`` trials in order, ``first`` and then what Optuna suggests; those in ``storage`` are not run again.

    A trial whose loss is not finite has no value. Raises SettingsError if all of them are so.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # the lines here say more
    direction = "minimize" if metric.better == "lower" else "maximize"
    study = optuna.create_study(study_name=name, storage=storage, direction=direction, load_if_exists=True)
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):  # of a run that was killed
        study.tell(trial.number, state=TrialState.FAIL)
    done = len(_finished(study))
    if done:
        logger.info("tuning %s: %d of %d trials are there already", title, min(done, n_trials), n_trials)
    for number in counted(range(done, n_trials), f"tuning {title}", n_trials - done, "trial"):
        # A sampler of its own for each trial: a tuning that was cut off makes the same trials as one that was not.
        study.sampler = optuna.samplers.TPESampler(seed=_seed(seed, number), constant_liar=False)
        if number == 0:
            study.enqueue_trial(first)
        trial, started = study.ask(dict(space)), time.perf_counter()
        try:
            study.tell(trial, measured(trial.params))
        except DivergedError:
            study.tell(trial, state=TrialState.PRUNED)
        _say(_finished(study), metric, title, n_trials, time.perf_counter() - started)
    trials = _finished(study)[:n_trials]
    if all(trial.value is None for trial in trials):
        raise SettingsError(f"the loss was not finite in any trial of {title}: look for extreme ratings")
    return trials


def best_of(trials: list[FrozenTrial], metric: Metric) -> int:
    """The position of the best trial, the first of equals."""
    sign = 1 if metric.better == "lower" else -1
    return int(np.argmin([np.inf if trial.value is None else sign * trial.value for trial in trials]))


def stored(journal: Path) -> BaseStorage:
    """A file of trials, which is added to."""
    journal.parent.mkdir(parents=True, exist_ok=True)
    return JournalStorage(JournalFileBackend(str(journal)))


def _finished(study: optuna.Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))


def _seed(seed: int, number: int) -> int:
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


def _say(trials: list[FrozenTrial], metric: Metric, title: str, n_trials: int, seconds: float) -> None:
    last, best = trials[-1], trials[best_of(trials, metric)]
    tried = ", ".join(f"{name} {_short(value)}" for name, value in last.params.items())
    found = f"{metric} {_short(last.value)}, best {_short(best.value)}"
    logger.info("tuning %s, trial %d of %d: %s; %s; %.1f s", title, len(trials), n_trials, tried, found, seconds)


def _short(value: Any) -> str:
    if value is None:
        return "not finite"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
