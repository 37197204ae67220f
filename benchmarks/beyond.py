"""What diversity and popularity damping do to the lists of MovieLens 100K (fold u1), and what they cost.

    python -m benchmarks.beyond

The list ranker is chosen and fitted as ``python -m training train mf`` does. The milliseconds are those of requests in
the handler, each variant in turns with the plain list of the same user.
"""

from __future__ import annotations

import json
import platform
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from handlers.recommender.api.service import Service
from handlers.recommender.loading import load_service
from handlers.recommender.model.lists import ListMaker
from handlers.recommender.model.query import Selection
from training.config import preset
from training.data import load, split
from training.estimators import MF
from training.export import export
from training.interactions import encode
from training.metrics.names import Metric
from training.metrics.ranking import measure

from .tables import of_records, publish

RESULTS = Path(__file__).with_suffix(".json")
VALUES = (0.2, 0.5)
VARIANTS: dict[str, dict[str, float]] = {"as they are": {}} | {
    f"{field.replace('_', ' ')} {value}": {field: value}
    for field in ("diversity", "popularity_damping")
    for value in VALUES
}
DIGITS = {Metric.COVERAGE: 3, Metric.POPULARITY: 0, Metric.NOVELTY: 2, Metric.DIVERSITY: 3}  # 4 of the other metrics
LENGTHS = (10, 100)
USERS, ROUNDS = 60, 10


def quality(maker: ListMaker, fields: dict[str, float], estimator: MF, held_out: Any) -> dict[str, str]:
    """Metrics of the lists that are made with the ``fields`` of a request."""

    def make(order: torch.Tensor, excluded: list[np.ndarray], lengths: list[int]) -> list[np.ndarray]:
        return maker.make(order, excluded, [Selection(length, **fields) for length in lengths])

    vectors = estimator.ranker.item_similarity
    found = measure(estimator.order, estimator.train, held_out, vectors=vectors, make=make)
    return {name: f"{value:.{DIGITS.get(name, 4)}f}" for name, value in found.items()}


def milliseconds(service: Service, length: int) -> dict[str, str]:
    """Of a list, by variant: the median over users of the fastest of some rounds."""
    users = np.random.default_rng(0).choice(service.model.users.ids[1:], USERS).tolist()
    seconds = np.empty((len(VARIANTS), USERS, ROUNDS))
    for repeat in range(ROUNDS):
        for place, user in enumerate(users):
            for variant, fields in enumerate(VARIANTS.values()):
                body = json.dumps({"user_id": user, "k": length} | fields).encode()
                started = time.perf_counter()
                service.answer([body])
                seconds[variant, place, repeat] = time.perf_counter() - started
    medians = np.median(seconds.min(axis=2), axis=1)
    return {name: f"{1000 * median:.2f}" for name, median in zip(VARIANTS, medians.tolist(), strict=True)}


def rows() -> list[dict[str, Any]]:
    """A row a variant."""
    log = load("ml-100k")
    everything = encode(log, False)
    parts = split(log, "u1", 0)
    chosen = MF(preset("quick", "mf")).fit(*(everything.take(part) for part in (parts.train, parts.validation)))
    estimator = chosen.with_choices().fit(everything.take(np.union1d(parts.train, parts.validation)))
    counts = np.bincount(estimator.train.movie_rows, minlength=everything.shape[1])
    maker = ListMaker(counts, estimator.ranker.item_similarity, torch.device("cpu"))
    with tempfile.TemporaryDirectory() as folder:
        export(Path(folder) / "mf", estimator, log, estimator.train, {})
        service = load_service(Path(folder) / "mf")
        taken = {length: milliseconds(service, length) for length in LENGTHS}
    held_out = everything.take(parts.test)
    return [
        {"MovieLens 100K, fold u1": name}
        | quality(maker, fields, estimator, held_out)
        | {f"ms, k {length}": taken[length][name] for length in LENGTHS}
        for name, fields in VARIANTS.items()
    ]


def beyond_accuracy(results: dict[str, Any]) -> str:
    """The metrics of the lists of each variant, and the milliseconds of a request."""
    return of_records(results["rows"])


ON_THE_PAGE = (beyond_accuracy,)


def load_results() -> dict[str, Any]:
    """The committed results."""
    return json.loads(RESULTS.read_text())


def main() -> None:
    torch.set_num_threads(1)
    results = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{platform.machine()}, one thread",
        "torch": torch.__version__,
        "rows": rows(),
    }
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    publish(results, ON_THE_PAGE)


if __name__ == "__main__":
    main()
