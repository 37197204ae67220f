"""Our models, by the function behind ``python -m training train <model> --no-refit``, and what their archives cost."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from archives.pack import archive
from handlers.recommender.api.service import Service
from handlers.recommender.loading import load_service
from training.config import Settings
from training.data import RatingsLog
from training.estimators import ESTIMATORS
from training.metrics.names import Metric
from training.train import Run, train

from .records import Record, stopwatch

CPU = torch.device("cpu")
METRICS = tuple(metric for metric in Metric if metric.about in ("ratings", "likes"))
REQUESTS = 200


def trained(
    model: str, settings: Settings, log: RatingsLog, split: str, seed: int, test: pd.DataFrame | None = None
) -> Record:
    """Metrics of the test rows, seconds of the whole command, cost of its archive.

    Scores are without timestamps, as those of other libraries; metrics of scores with them are recorded beside these.
    """
    with tempfile.TemporaryDirectory(prefix="quality-") as folder:
        build = Path(folder) / "build"
        with stopwatch() as seconds:
            estimator = ESTIMATORS[model](settings, seed=seed)
            metrics = train(Run(estimator, split, False, build, Path(folder) / "runs"), log, test)
        timed = {name: metrics["test"][name] for name in METRICS if name in metrics["test"]}
        found = timed | metrics["test"].get("without_timestamps", {})
        if "without_timestamps" in metrics["test"]:
            found |= {f"{name} with timestamps": value for name, value in timed.items()}
        rounded = {name: round(value, 5) for name, value in found.items()}
        return rounded | seconds | cost(model, build, Path(folder) / "store")


def cost(model: str, build: Path, store: Path) -> Record:
    """Length of the vectors (of the score, of the lists), megabytes of the archive, and the handler's milliseconds.

    The milliseconds are medians over requests of one user, from the body's bytes to the answer's.
    """
    size = archive(model, "1.0", build, store).stat().st_size
    service = load_service(build / model)
    known = service.model
    rng = np.random.default_rng(0)
    users, movies = (rng.choice(side.ids[1:], REQUESTS).tolist() for side in (known.users, known.movies))
    pairs = [{"user_id": user, "movie_id": movie} for user, movie in zip(users, movies, strict=True)]
    return {
        "width": known.metadata.width,
        "rank_width": int(known.arrays["rank_items"].shape[1]),
        "archive_mb": round(size / 1e6, 2),
        "pair_ms": _milliseconds(service, pairs),
        "list_ms": _milliseconds(service, [{"user_id": user, "k": 10} for user in users]),
    }


def _milliseconds(service: Service, requests: list[dict[str, Any]]) -> float:
    times = []
    for request in requests:
        body = json.dumps(request).encode()
        started = time.perf_counter()
        (answer,) = service.answer([body])
        times.append(time.perf_counter() - started)
        if answer.code != 200:
            raise RuntimeError(f"{request}: {answer.body!r}")
    return round(1000 * float(np.median(times)), 3)
