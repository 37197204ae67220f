"""The probability of a like: our models beside logistic regressions, and what DeepFM's perceptron is worth.

A rating above 3 is a like. Fold u1 of MovieLens 100K, a random tenth of MovieLens 1M, and a planted log of features
that matter only together (``crossed.py``), whose test users have no ratings. What a fit has to choose (epochs, a
penalty) it chooses on validation rows; then it is fitted to these too, and measured once.

    python -m benchmarks.likes --ml-1m FOLDER
"""

from __future__ import annotations

import dataclasses
import json
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import mean

import numpy as np
import torch
import tyro
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from threadpoolctl import threadpool_limits

from training.config import preset
from training.data import RatingsLog, Split, load, split
from training.interactions import Interactions, encode, feature_matrix
from training.metrics.calibration import reliability
from training.metrics.names import Metric

from . import crossed
from .ablation import Fitted
from .quality.records import Record, Records, Task, stopwatch
from .tables import PAGE, fill, markdown, named, spread

RESULTS = Path(__file__).with_suffix(".json")
LIKE_ABOVE = 3.0
SEEDS = {"ml-100k": 3, "ml-1m": 1, "crossed": 3}
PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0)  # scikit-learn's C
CROSSES = {"decay": 0.01, "feature_decay": 0.001, "learning_rate": 0.005}  # weak penalties, so that crosses are found


@dataclass(frozen=True)
class Logistic:
    """A weight a user and a movie; with ``features`` also one a side feature, and a pair of them across the sides."""

    features: bool

    def describe(self) -> Record:
        return {"features": self.features, "C": PENALTIES}

    def measure(self, log: RatingsLog, parts: Split, seed: int) -> Record:
        data = encode(log, use_features=self.features)
        columns, likes = self._columns(data), data.ratings > LIKE_ABOVE

        def fitted(penalty: float, train: np.ndarray) -> LogisticRegression:
            return LogisticRegression(C=penalty, max_iter=300).fit(columns[train], likes[train])

        def loss(penalty: float) -> float:
            found = fitted(penalty, parts.train).predict_proba(columns[parts.validation])[:, 1]
            return float(log_loss(likes[parts.validation], found))

        with stopwatch() as seconds:
            best = min(PENALTIES, key=loss)
            model = fitted(best, np.union1d(parts.train, parts.validation))
        found, actual = model.predict_proba(columns[parts.test])[:, 1], likes[parts.test]
        return {
            Metric.AUC: round(float(roc_auc_score(actual, found)), 5),
            Metric.LOG_LOSS: round(float(log_loss(actual, found)), 5),
            Metric.ECE: round(reliability(actual, found).error, 5),
        } | seconds

    def _columns(self, data: Interactions) -> sparse.csr_array:
        ones, rows = np.ones(len(data)), np.arange(len(data))
        sides = ((data.user_rows, data.users), (data.movie_rows, data.movies))
        columns = [sparse.csr_array((ones, (rows, ids)), (len(data), len(side.vocabulary))) for ids, side in sides]
        if self.features:
            of_users, of_movies = (sparse.csr_array(feature_matrix(side))[ids] for ids, side in sides)
            pairs = [of_users[:, [column]].multiply(of_movies) for column in range(of_users.shape[1])]
            columns += [of_users, of_movies, *pairs]
        return sparse.hstack(columns, format="csr")


def _contestants() -> dict[str, Logistic | Fitted]:
    def deepfm(**changes: object) -> Fitted:
        return Fitted("deepfm", dataclasses.replace(preset("quick", "deepfm", "like"), **changes))

    def quick(model: str) -> Fitted:
        return Fitted(model, preset("quick", model, "like"))

    return {
        "logistic regression, ids": Logistic(features=False),
        "logistic regression, ids, side features and pairs of them": Logistic(features=True),
        "MF of likes": quick("mf"),
        "FM of likes": quick("fm"),
        "DeepFM": deepfm(),
        "DeepFM without its perceptron": deepfm(use_mlp=False),
        "DeepFM by descent, weak penalties": deepfm(method="adam", **CROSSES),
        "the same without its perceptron": deepfm(method="adam", use_mlp=False, **CROSSES),
        "the same without its factorization machine": deepfm(method="adam", use_fm=False, **CROSSES),
    }


CONTESTANTS = _contestants()


def logs(ml_1m: Path | None) -> Iterator[tuple[str, RatingsLog, Split]]:
    """The name of each log that is here, the log, and its split."""
    log, parts, _ = crossed.generate()
    yield "crossed", log, parts
    log = load("ml-100k")
    yield "ml-100k", log, split(log, "u1", 0)
    if ml_1m is not None:
        files = {name: ml_1m / f"{name}.csv" for name in ("users", "movies")}
        log = load(ratings=ml_1m / "ratings.csv.gz", **files)
        yield "ml-1m", log, split(log, "random", 0, test=0.1)


def tasks(data: str, log: RatingsLog, parts: Split) -> Iterator[Task]:
    for name, what in CONTESTANTS.items():
        for seed in range(1 if isinstance(what, Logistic) else SEEDS[data]):
            measure = partial(what.measure, log, parts, seed)
            yield Task("likes", data, "one", name, seed, what.describe(), measure)


def likes_100k(records: Sequence[Record]) -> str:
    """MovieLens 100K by contestant."""
    return _table(records, "ml-100k", "MovieLens 100K, fold u1")


def likes_1m(records: Sequence[Record]) -> str:
    """MovieLens 1M by contestant."""
    return _table(records, "ml-1m", "MovieLens 1M")


def likes_crossed(records: Sequence[Record]) -> str:
    """The planted log by contestant, and the best that can be."""
    return _table(records, "crossed", "planted: three features that matter only together")


def _table(records: Sequence[Record], data: str, title: str) -> str:
    lines: list[list[str]] = [[title, "AUC", "log loss", "calibration error", "CPU s"]]
    for name in CONTESTANTS:
        found = [record for record in records if (record["data"], record["name"]) == (data, name)]
        if found:
            auc = spread([record["auc"] for record in found])
            digits = {"log_loss": 4, "ece": 4, "fit_cpu_s": 1}
            lines.append([name, auc, *(f"{mean(record[key] for record in found):.{n}f}" for key, n in digits.items())])
    return markdown(lines)


ON_THE_PAGE = (likes_crossed, likes_100k, likes_1m)


def load_records() -> list[Record]:
    """What is committed."""
    return json.loads(RESULTS.read_text())["records"]


@dataclass
class Options:
    """What to measure; what is in the results already is not measured again."""

    data: tuple[str, ...] = tuple(SEEDS)
    """On these logs."""
    name: str = ""
    """Contestants with this in their name."""
    ml_1m: Path | None = None
    """A folder with MovieLens 1M as ratings.csv.gz, users.csv, movies.csv."""
    results: Path = RESULTS
    """Where the records are."""


def main(options: Options) -> None:
    torch.set_num_threads(1)
    threadpool_limits(1)
    kept = Records(options.results, {"machine": f"{platform.machine()}, one thread", "torch": torch.__version__})
    for data, log, parts in logs(options.ml_1m):
        if data in options.data:
            kept.measure(task for task in tasks(data, log, parts) if options.name in task.name)
    tables = named(ON_THE_PAGE, list(kept.by_key.values()))
    print(*tables.values(), sep="\n")
    if options.results == RESULTS:
        fill(PAGE, tables)


if __name__ == "__main__":
    main(tyro.cli(Options, prog="python -m benchmarks.likes"))
