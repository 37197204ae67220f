"""One training run: split, fit, measure, refit on every row, export."""

from __future__ import annotations

import dataclasses
import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from . import comparison
from .asked import asked
from .checks import check, unmeasured
from .config import Settings
from .curves import Recorder
from .data.log import RatingsLog
from .data.splits import Split, split
from .dataset import Dataset, encode, to_rows
from .details import details
from .evaluate import evaluate, predict
from .export import export
from .fitting import Fit, OnEpoch, build, chooses_epochs, cut_short, fit, rank, with_best_epoch
from .models import NETWORKS
from .progress import stage
from .running import Running

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Run:
    """What to train on and where to write."""

    model: str
    settings: Settings
    split: str
    seed: int
    refit: bool
    device: torch.device
    build: Path
    runs: Path
    running: Running | None = None
    """The version to compare with: the test rows are then rows that it has not seen."""


def train(run: Run, log: RatingsLog, test: pd.DataFrame | None = None) -> dict[str, Any]:
    """Train one model and write ``build/<model>/``; returns its metrics, and how many ``seconds`` it took.

    The validation rows choose ridge and width of the head that orders lists, and the number of epochs; the fit that is
    measured on the test rows has seen training and validation rows; the one that is exported has seen every row (unless
    ``refit`` is off). Where there are no epochs to choose and ``refit`` is off, that is the only fit, and there are no
    metrics of the validation rows. ``test``: ratings of their own, measured once at the end instead of a share of the
    log.
    """
    warnings = _say(check(log, run.settings, test))
    wanted = asked(log, run.settings, run.split, run.seed, run.refit, test, run.running)
    started = time.perf_counter()
    dataset = encode(log, NETWORKS[run.model].uses_features)
    parts = split(log, run.split, run.seed, **({} if test is None else {"test": 0.0}))
    tested_on = run.split if test is None else "given with --test"
    of_new = comparison.split_of_new(run.running, log, run.split, run.seed) if run.running and test is None else None
    if of_new:
        parts, tested_on = of_new, f"new since version {run.running.version}"
    recorder = Recorder(run.runs / run.model, run.settings)

    run = dataclasses.replace(run, settings=rank.choose(dataset, parts.train, parts.validation, run.settings))
    measured = np.union1d(parts.train, parts.validation)
    if run.refit or chooses_epochs(run.model, dataset, run.settings):
        settings, validation = _validate(run, dataset, parts, recorder)
        fitted = _fit(run, dataset, measured, settings)
    else:
        settings, validation = run.settings, {}
        fitted = _fit(run, dataset, measured, settings, recorder.epoch)
    head = rank.fit(dataset, measured, settings)
    test_rows = log.ratings.iloc[parts.test] if test is None else test
    held_out = dataset.take(parts.test) if test is None else to_rows(test, dataset.users, dataset.movies)
    metrics: dict[str, Any] = {
        "validation": validation,
        "validation_rows": "chose list_ridges, list_widths and epochs, so these numbers are too good",
        "test": evaluate(fitted, head, dataset, measured, held_out, settings) if len(held_out) else {},
        "test_rows": tested_on,
        "test_sha256": comparison.digest(test_rows),
        "exported_fit": "every row of the log" if run.refit else "training and validation rows",
        "seed": run.seed,
        "data": {"name": log.name, "sha256": log.sha256},
        "settings": dataclasses.asdict(settings),
    }
    found = [line for part in ("validation", "test") for line in unmeasured(part, metrics[part])]
    metrics["warnings"] = warnings + _say(found + cut_short(run.model, dataset, run.settings, recorder.losses))
    if run.running:

        def write(folder: Path) -> None:
            export(folder, run.model, fitted, head, log, dataset.take(measured), settings, metrics)

        # Of another split's test rows some are old ones, which the running version has learnt and the fit has not.
        unseen = test[~log.has(test)] if test is not None else test_rows if of_new else test_rows.iloc[:0]
        metrics["comparison"] = comparison.compare(run.running, write, log, measured, unseen)
    shown = {"losses": recorder.losses, "asked": wanted}
    if len(held_out):
        shown |= details(predict(fitted, dataset, held_out, settings), dataset, measured, settings)
    if run.refit and len(measured) < len(dataset):
        with stage("refitting"):
            fitted = _fit(run, dataset, np.arange(len(dataset)), settings)
            head = rank.fit(dataset, np.arange(len(dataset)), settings)
    # The time stays out of what is written: the same run makes the same files, so that its archive is the same too.
    seconds = round(time.perf_counter() - started, 1)
    export(run.build / run.model, run.model, fitted, head, log, dataset, settings, metrics, shown)
    recorder.finish(metrics)
    return metrics | {"seconds": seconds}


def _say(warnings: list[str]) -> list[str]:
    for one in warnings:
        logger.warning(one)
    return warnings


@stage("validating")
def _validate(run: Run, dataset: Dataset, parts: Split, recorder: Recorder) -> tuple[Settings, dict[str, Any]]:
    """Fit to the training rows alone: the settings for the fits to come, and the metrics of the validation rows."""
    network = build(run.model, dataset, parts.train, run.settings, run.seed).to(run.device)
    fitted = fit(network, dataset, parts.train, parts.validation, run.settings, run.seed, recorder.epoch)
    head = rank.fit(dataset, parts.train, run.settings)
    metrics = evaluate(fitted, head, dataset, parts.train, dataset.take(parts.validation), run.settings)
    return with_best_epoch(network, dataset, run.settings, fitted.curves), metrics


def _fit(run: Run, dataset: Dataset, index: np.ndarray, settings: Settings, on_epoch: OnEpoch = lambda *_: None) -> Fit:
    network = build(run.model, dataset, index, settings, run.seed).to(run.device)
    return fit(network, dataset, index, None, settings, run.seed, on_epoch)
