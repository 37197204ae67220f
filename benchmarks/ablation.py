"""What each ingredient of the models is worth: added one after the other on fold u1 of MovieLens 100K.

Each is fitted to the 80,000 training rows and measured once on the 20,000 test rows; what a fit has to choose (epochs,
a ridge) it chooses on validation rows drawn from the former. A record is saved as it comes, and what is there already
is not measured again unless its settings have changed. The tables of docs/benchmarks.md are written anew.

    python -m benchmarks.ablation
"""

from __future__ import annotations

import dataclasses
import json
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import mean

import numpy as np
import torch
import tyro
from scipy import sparse
from sklearn.linear_model import Ridge
from sklearn.metrics import root_mean_squared_error
from threadpoolctl import threadpool_limits

from training.config import Settings, preset
from training.data import RatingsLog, Split, load, split
from training.estimators import ESTIMATORS
from training.evaluate import of_scores, predict
from training.interactions import encode
from training.metrics.names import Metric

from .quality.records import Record, Records, Task, stopwatch
from .tables import PAGE, fill, markdown, named, spread

RESULTS = Path(__file__).with_suffix(".json")
CPU = torch.device("cpu")
RIDGES = (1.0, 2.0, 5.0, 10.0, 20.0)


@dataclass(frozen=True)
class Fitted:
    """A model with some of its ingredients. ``features``: whether it has the log's side features."""

    model: str
    settings: Settings
    features: bool = True

    def describe(self) -> Record:
        """What the record says that it was fitted with."""
        return {"model": self.model, "features": self.features} | dataclasses.asdict(self.settings)

    def measure(self, log: RatingsLog, parts: Split, seed: int) -> Record:
        if not self.features:
            log = dataclasses.replace(log, user_features=(), movie_features=())
        estimator = ESTIMATORS[self.model](self.settings, seed=seed, list_ranker=False)
        everything = encode(log, estimator.uses_features)
        with stopwatch() as seconds:
            if estimator.method(everything).most_epochs is not None:
                selected = estimator.fit(everything.take(parts.train), everything.take(parts.validation))
                estimator = selected.with_choices()
            estimator.fit(everything.take(np.union1d(parts.train, parts.validation)))
        found = of_scores(predict(estimator, everything.take(parts.test)), self.settings)
        names = (Metric.RMSE,) if self.settings.target == "rating" else (Metric.AUC, Metric.LOG_LOSS, Metric.ECE)
        return {name: round(found[name], 5) for name in names} | seconds


class GlobalMean:
    """The mean of all ratings."""

    def describe(self) -> Record:
        return {}

    def measure(self, log: RatingsLog, parts: Split, seed: int) -> Record:
        ratings = log.ratings["rating"].to_numpy(np.float64)
        with stopwatch() as seconds:
            constant = np.delete(ratings, parts.test).mean()
        return {"rmse": _rmse(ratings[parts.test], np.full(len(parts.test), constant))} | seconds


class Biases:
    """The mean, a number a user and a number a movie, by ridge regression."""

    def describe(self) -> Record:
        return {"ridges": RIDGES}

    def measure(self, log: RatingsLog, parts: Split, seed: int) -> Record:
        data = encode(log, use_features=False)
        ratings = data.ratings.astype(np.float64)
        ones, rows = np.ones(len(data)), np.arange(len(data))
        pairs = sparse.hstack(
            [sparse.csr_array((ones, (rows, side))) for side in (data.user_rows, data.movie_rows)], format="csr"
        )

        def error(ridge: float, train: np.ndarray, test: np.ndarray) -> float:
            fitted = Ridge(ridge, solver="sparse_cg").fit(pairs[train], ratings[train])
            return _rmse(ratings[test], fitted.predict(pairs[test]).clip(*log.scale))

        with stopwatch() as seconds:
            best = min(RIDGES, key=lambda ridge: error(ridge, parts.train, parts.validation))
            found = error(best, np.union1d(parts.train, parts.validation), parts.test)
        return {"rmse": found} | seconds


@dataclass(frozen=True)
class Step:
    """A row of a table: its name, what is measured, with how many seeds."""

    name: str
    what: Fitted | GlobalMean | Biases
    seeds: int = 1


def _steps() -> dict[str, list[Step]]:
    quick, best = preset("quick", "fm"), preset("best", "fm")
    levels = dataclasses.replace(quick, ratings_as="levels")
    shared_noise = dataclasses.replace(quick, user_noise=False)
    no_movie_history = dataclasses.replace(quick, movie_history=False)
    return {
        "ratings": [
            Step("the mean of all ratings", GlobalMean()),
            Step("a bias a user and a movie", Biases()),
            Step("MF: vectors, one optimum (Adam)", Fitted("mf", dataclasses.replace(quick, method="adam")), 3),
            Step(
                "the average of posterior samples (Gibbs)",
                Fitted("mf", shared_noise),
                3,
            ),
            Step("a noise of each user's own: MF, `quick`", Fitted("mf", quick), 3),
            Step(
                "FM: the user's history",
                Fitted("fm", no_movie_history, features=False),
                3,
            ),
            Step("the movie's history", Fitted("fm", quick, features=False), 3),
            Step("side features: FM, `quick`", Fitted("fm", quick), 3),
            Step("ratings as ordered levels", Fitted("fm", levels), 3),
            Step("longer vectors, more samples: FM, `best`", Fitted("fm", best)),
            Step("a perceptron on top: DeepFM, `best`", Fitted("deepfm", preset("best", "deepfm", "rating"))),
        ],
    }


STEPS = _steps()


def tasks(log: RatingsLog, parts: Split) -> list[Task]:
    """All measurements, in the order of the tables."""
    return [
        Task(table, log.name, "u1", step.name, seed, step.what.describe(), partial(step.what.measure, log, parts, seed))
        for table, steps in STEPS.items()
        for step in steps
        for seed in range(step.seeds)
    ]


def steps_of_ratings(records: Sequence[Record]) -> str:
    """RMSE of each step, and what it gained on the one before."""
    lines: list[list[str]] = [["each added to what is above it", "RMSE", "gain", "CPU s"]]
    before = None
    for step in STEPS["ratings"]:
        errors, seconds = _of(records, "ratings", step.name, "rmse"), _of(records, "ratings", step.name, "fit_cpu_s")
        if errors:
            gain = "" if before is None else f"{before - mean(errors):.4f}"
            lines.append([step.name, spread(errors), gain, f"{mean(seconds):.1f}"])
            before = mean(errors)
    return markdown(lines)


ON_THE_PAGE = (steps_of_ratings,)


def load_records() -> list[Record]:
    """What is committed."""
    return json.loads(RESULTS.read_text())["records"]


def _of(records: Sequence[Record], table: str, name: str, metric: str) -> list[float]:
    return [record[metric] for record in records if (record["table"], record["name"]) == (table, name)]


def _rmse(ratings: np.ndarray, scores: np.ndarray) -> float:
    return round(float(root_mean_squared_error(ratings, scores)), 5)


@dataclass
class Options:
    """What to measure; what is in the results already is not measured again."""

    table: tuple[str, ...] = tuple(STEPS)
    """Of these tables."""
    name: str = ""
    """Steps with this in their name."""
    results: Path = RESULTS
    """Where the records are."""


def main(options: Options) -> None:
    torch.set_num_threads(1)
    threadpool_limits(1)
    log = load("ml-100k")
    kept = Records(options.results, {"machine": f"{platform.machine()}, one thread", "torch": torch.__version__})
    every = tasks(log, split(log, "u1", 0))
    kept.measure(task for task in every if task.table in options.table and options.name in task.name)
    tables = named(ON_THE_PAGE, list(kept.by_key.values()))
    print(*tables.values(), sep="\n")
    if options.results == RESULTS:
        fill(PAGE, tables)


if __name__ == "__main__":
    main(tyro.cli(Options, prog="python -m benchmarks.ablation"))
