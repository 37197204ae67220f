"""One training run: load, split, select, measure, refit, export."""

from __future__ import annotations

import dataclasses
import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from .checks import check, few_lists, unmeasured
from .comparison.compare import compare, digest, split_of_new
from .comparison.running import Running
from .data.log import RatingsLog
from .data.splits import split
from .estimators import TwoEncoderEstimator
from .evaluate import evaluate, predict
from .export import export
from .fingerprint import Fingerprint, fingerprint
from .fitting.losses import OnEpoch
from .interactions import Interactions, encode, to_rows
from .packed_as import data_of, exported_fit
from .progress import stage
from .rankers import weighted
from .recorder import Recorder
from .report.details import details

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Run:
    """What to train, how it is measured and where it is written."""

    estimator: TwoEncoderEstimator
    split: str
    refit: bool
    build: Path
    runs: Path
    running: Running | None = None
    """The version to compare with: the test rows are then rows that it has not seen."""
    tune: int | None = None
    """How many settings are tried on the validation rows before the first fit; None for those of the estimator."""


def train(run: Run, log: RatingsLog, test: pd.DataFrame | None = None) -> dict[str, Any]:
    """Train one model and write ``build/<model>/``; returns its metrics, and how many ``seconds`` it took.

    The validation rows choose ridge, damping, half-life and length of the list ranker, the number of epochs, and
    further settings where ``run.tune`` says so. Without epochs to choose, nothing but list rankers and what is tried is
    fitted to the training rows. The fit that is measured on the test rows has seen training and validation rows. The
    one that is exported has seen every row, unless ``refit`` is off: then it is the measured one. ``test``: ratings of
    their own, measured once at the end instead of a share of the log.

    This is for the first process of ``torchrun``; the others take part in the fits of the network (``calls.led``).
    """
    started, estimator = time.perf_counter(), run.estimator
    warnings = _warn(check(log, estimator.settings, test))
    wanted = fingerprint(log, estimator.settings, run.split, estimator.seed, run.refit, test, run.running, run.tune)
    everything = encode(log, estimator.uses_features)
    plan = _plan(run, log, test)
    estimator, tuned = _tune(run, everything, plan, wanted)
    recorder = Recorder(run.runs / estimator.name, estimator.settings)

    measured, validation = _select_and_fit(estimator, everything, plan, recorder.epoch)
    test_metrics, tables = _measured_on(plan.test, measured)
    metrics = _metrics(run, log, plan, validation, measured, test_metrics, tuned)
    cut_short = estimator.method(everything).cut_short(estimator.settings, recorder.losses["validation"])
    metrics["warnings"] = warnings + _warn(unmeasured(metrics) + few_lists(metrics) + cut_short)
    if run.running:

        def export_measured(folder: Path) -> None:
            export(folder, measured, log, measured.train, metrics)

        metrics["comparison"] = compare(run.running, export_measured, log, plan.seen, plan.unseen)

    exported = measured
    if run.refit and plan.seen_count < len(everything):
        exported = measured.with_choices()
        del measured  # its rows and network are as large as those of the next fit
        with stage("refitting"):
            exported.fit(everything)
    # The time stays out of what is written: the same run makes the same files, so that its archive is the same too.
    seconds = round(time.perf_counter() - started, 1)
    shown = {"losses": recorder.losses, "fingerprint": wanted, "tuning": tuned} | tables
    export(run.build / estimator.name, exported, log, everything, metrics, shown)
    recorder.finish(metrics)
    return metrics | {"seconds": seconds}


class Plan(NamedTuple):
    """Which rows are for what.

    ``train``, ``validation`` int64: positions in the log. ``test``: the rows to measure on, ``tested_on``: which these
    are. ``unseen``: those of them that neither the fit nor the running version has learnt from.
    """

    train: np.ndarray
    validation: np.ndarray
    test: pd.DataFrame
    tested_on: str
    unseen: pd.DataFrame

    @property
    def seen(self) -> np.ndarray:
        """Positions of the rows that the measured fit has seen."""
        seen = np.zeros(1 + max(rows.max(initial=-1) for rows in (self.train, self.validation)), bool)
        seen[self.train] = seen[self.validation] = True
        return np.flatnonzero(seen)

    @property
    def seen_count(self) -> int:
        """How many rows these are."""
        return len(self.train) + len(self.validation)


def _plan(run: Run, log: RatingsLog, test: pd.DataFrame | None) -> Plan:
    seed = run.estimator.seed
    if test is not None:
        parts = split(log, run.split, seed, test=0.0)
        return Plan(parts.train, parts.validation, test, "given with --test", test[~log.has(test)])
    of_new = split_of_new(run.running, log, run.split, seed) if run.running else None
    parts = of_new or split(log, run.split, seed)
    rows = log.ratings.iloc[parts.test]
    if of_new:
        return Plan(parts.train, parts.validation, rows, f"new since version {run.running.version}", rows)
    # Another split holds out old rows too, which the running version has learnt.
    return Plan(parts.train, parts.validation, rows, run.split, rows.iloc[:0])


def _tune(
    run: Run, everything: Interactions, plan: Plan, wanted: Fingerprint
) -> tuple[TwoEncoderEstimator, dict[str, Any]]:
    """The estimator with the settings to go on with, and what was tried; the latter is empty where nothing was."""
    if run.tune is None:
        return run.estimator, {}
    from .tuning import tune  # Optuna takes a second to import

    rows = everything.take(plan.train), everything.take(plan.validation)
    study = {name: value for name, value in wanted.items() if name != "tune"}
    journal = run.build / "tuning" / f"{run.estimator.name}.log"
    return tune(run.estimator, *rows, run.tune, study, journal)


def _select_and_fit(
    estimator: TwoEncoderEstimator, everything: Interactions, plan: Plan, on_epoch: OnEpoch
) -> tuple[TwoEncoderEstimator, dict[str, Any]]:
    """The estimator fitted to training and validation rows, and the metrics of the validation rows before that.

    Without epochs to choose these are the metrics of lists alone. ``on_epoch`` is told the losses of the first fit.
    """
    train, validation = (everything.take(rows) for rows in (plan.train, plan.validation))
    if estimator.method(everything).most_epochs is None:
        chosen, lists = estimator.choose_list_ranker(train, validation)
        del train, validation  # a third of the memory of a large log
        return chosen.fit(everything.take(plan.seen), on_epoch=on_epoch), {"rows": len(plan.validation)} | lists
    with stage("validating"):
        selected = estimator.with_settings(estimator.settings).fit(train, validation, on_epoch)
        metrics = evaluate(selected, validation)
    chosen = selected.with_choices()
    del train, validation, selected
    return chosen.fit(everything.take(plan.seen)), metrics


def _measured_on(test: pd.DataFrame, measured: TwoEncoderEstimator) -> tuple[dict[str, Any], dict[str, Any]]:
    """Metrics of the ``test`` rows, and the tables that only the report shows; both empty without rows."""
    held_out = to_rows(test, measured.train.users, measured.train.movies)
    if not len(held_out):
        return {}, {}
    with stage("predicting the test rows"):
        predictions = predict(measured, held_out)
    return evaluate(measured, held_out, predictions), details(measured, predictions)


def _metrics(
    run: Run,
    log: RatingsLog,
    plan: Plan,
    validation: dict[str, Any],
    measured: TwoEncoderEstimator,
    test: dict[str, Any],
    tuned: dict[str, Any],
) -> dict[str, Any]:
    """What ``metrics.json`` says of a fit, before its warnings and the comparison with the running version.

    Of what was ``tuned`` it has the metric before and after; the trials are for the report alone.
    """
    return {
        "validation": validation,
        "validation_rows": f"chose {_chosen(run.estimator, measured.train, tuned)}, so these numbers are too good",
        "test": test,
        "test_rows": plan.tested_on,
        "test_sha256": digest(plan.test),
        "exported_fit": exported_fit(run.refit),
        "seed": measured.seed,
        "data": data_of(log),
        "settings": dataclasses.asdict(measured.settings),
    } | ({"tuning": {name: _before_and_after(**part) for name, part in tuned.items()}} if tuned else {})


def _before_and_after(metric: str, trials: list[dict[str, Any]], best: int) -> dict[str, Any]:
    given, chosen = trials[0]["value"], trials[best]["value"]
    return {"metric": metric, "trials": len(trials), "with_given_settings": given, "with_chosen_settings": chosen}


def _chosen(estimator: TwoEncoderEstimator, train: Interactions, tuned: dict[str, Any]) -> str:
    names = ["list_ridges", "list_dampings", "list_half_lives", "list_strengths", "list_factors"]
    names += weighted.several(train, estimator.settings)
    if estimator.method(train).most_epochs is not None:
        names.append("epochs")
    names += [name for part in tuned.values() for name in part["trials"][0]["settings"]]
    *others, last = dict.fromkeys(names)
    return f"{', '.join(others)} and {last}"


def _warn(warnings: list[str]) -> list[str]:
    for warning in warnings:
        logger.warning(warning)
    return warnings
