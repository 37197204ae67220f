"""What fresh ratings of known users are worth before the next training, when they come with the request.

The last five ratings of each user of ML-100K are to be predicted. The five before them are fresh: a model is trained
without them, and asked by the user's id alone (stale), and by the id with the fresh ratings (fresh). Beside it: the
same model, trained with them.

    python -m benchmarks.fresh

How fresh ratings are folded in was chosen with ``--skip 5``: every user's last five ratings are left out first, so that
what is predicted then is none of what is reported.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from handlers.recommender.api.service import Service
from handlers.recommender.loading import load_service
from training.config import Settings, preset
from training.data import RatingsLog, load
from training.estimators import ESTIMATORS
from training.export import export
from training.interactions import encode
from training.metrics.ranking import ndcg

from .new_users import error
from .tables import of_records, publish

RESULTS = Path(__file__).with_suffix(".json")
FRESH = WANTED = 5  # ratings of each user

Ask = Callable[[int], dict]


@dataclass(frozen=True)
class Parts:
    """Row numbers of the log: in every model's training, fresh, and to predict."""

    stored: np.ndarray
    fresh: np.ndarray
    wanted: np.ndarray


def split(log: RatingsLog, skip: int = 0) -> Parts:
    """By each user's own time; each user's last ``skip`` rows are in no part."""
    order = np.argsort(log.ratings["timestamp"].to_numpy(), kind="stable")
    users = log.ratings["user_id"].iloc[order]
    from_last = users.groupby(users, sort=False).cumcount(ascending=False).to_numpy() - skip
    is_wanted, is_fresh = (from_last >= 0) & (from_last < WANTED), (from_last >= WANTED) & (from_last < WANTED + FRESH)
    return Parts(*(np.sort(order[rows]) for rows in (from_last >= WANTED + FRESH, is_fresh, is_wanted)))


def service_of(model: str, log: RatingsLog, rows: np.ndarray, folder: Path) -> Service:
    """The service of a model that was trained with these rows of the log."""
    estimator = ESTIMATORS[model](preset("quick", model))
    estimator.fit(encode(log, estimator.uses_features).take(rows))
    export(folder / model, estimator, log.with_rows(rows), estimator.train, {})
    return load_service(folder / model)


def answers(service: Service, requests: list[dict]) -> list[dict]:
    (answer,) = service.answer([json.dumps({"instances": requests}).encode()])
    return json.loads(answer.body)["predictions"]


def measure(service: Service, settings: Settings, who: Ask, wanted: pd.DataFrame) -> dict[str, float]:
    """RMSE (log loss of likes) of the wanted ratings, NDCG@10 of lists, and milliseconds of a user's list.

    ``who`` gives the request for a user, without what it asks for.
    """
    scores, hits, sizes, seconds = [], [], [], []
    for user, rows in wanted.groupby("user_id"):
        movies, asked = rows["movie_id"].tolist(), who(user)
        pair = {name: value for name, value in asked.items() if name != "exclude"}
        scores += [one["score"] for one in answers(service, [pair | {"movie_id": movie} for movie in movies])]
        body = json.dumps(asked | {"k": 10}).encode()
        started = time.process_time()
        (answer,) = service.answer([body])
        seconds.append(time.process_time() - started)
        hits.append([entry["movie_id"] in movies for entry in json.loads(answer.body)["recommendations"]])
        sizes.append(len(movies))
    ratings = wanted.sort_values("user_id", kind="stable")["rating"].to_numpy()
    return {
        "error": error(np.array(scores), ratings, settings),
        "NDCG@10": float(ndcg(np.array(hits), np.array(sizes)).mean()),
        "milliseconds": 1000 * float(np.median(seconds)),
    }


def measures(model: str, log: RatingsLog, parts: Parts) -> Iterator[tuple[str, dict[str, float]]]:
    settings, wanted = preset("quick", model), log.ratings.iloc[parts.wanted]
    fresh = {
        user: rows[["movie_id", "rating"]].to_dict("records")
        for user, rows in log.ratings.iloc[parts.fresh].groupby("user_id")
    }

    def known(user: int) -> dict:
        return {"user_id": user}

    def without_fresh(user: int) -> dict:
        return {"user_id": user, "exclude": [one["movie_id"] for one in fresh[user]]}

    def with_fresh(user: int) -> dict:
        return {"user_id": user, "ratings": fresh[user]}

    with tempfile.TemporaryDirectory() as folder:
        before = service_of(model, log, parts.stored, Path(folder) / "before")
        yield "stale", measure(before, settings, without_fresh, wanted)
        yield "fresh", measure(before, settings, with_fresh, wanted)
        after = service_of(model, log, np.union1d(parts.stored, parts.fresh), Path(folder) / "after")
        yield "trained with", measure(after, settings, known, wanted)


def fresh_ratings(results: dict) -> str:
    """The errors and lists of each model: stale, with fresh ratings, and trained with them."""
    return of_records(results["rows"])


ON_THE_PAGE = (fresh_ratings,)


def load_results() -> dict:
    """The committed results."""
    return json.loads(RESULTS.read_text())


def records(log: RatingsLog, parts: Parts) -> Iterator[dict]:
    for model in ESTIMATORS:
        found = dict(measures(model, log, parts))
        name = "RMSE" if preset("quick", model).target == "rating" else "log loss"
        stale, fresh, trained = (found[how]["error"] for how in found)
        yield {
            "model": model,
            "error": name,
            **{how: f"{numbers['error']:.4f}" for how, numbers in found.items()},
            "share of the gap closed": f"{(stale - fresh) / (stale - trained):.2f}",
            **{f"NDCG@10, {how}": f"{numbers['NDCG@10']:.4f}" for how, numbers in found.items()},
            "ms of a list, stale": f"{found['stale']['milliseconds']:.2f}",
            "ms of a list, fresh": f"{found['fresh']['milliseconds']:.2f}",
        }


def main() -> None:
    parser = argparse.ArgumentParser(description="What fresh ratings of known users are worth.")
    parser.add_argument("--skip", type=int, default=0, help="leave out each user's last ratings, and publish nothing")
    skip = parser.parse_args().skip
    torch.set_num_threads(1)
    log = load("ml-100k")
    rows = list(records(log, split(log, skip)))
    print(of_records(rows))
    if skip:
        return
    results = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{platform.machine()}, one thread",
        "torch": torch.__version__,
        "data": {"name": log.name, "sha256": log.sha256},
        "rows": rows,
    }
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    publish(results, ON_THE_PAGE)


if __name__ == "__main__":
    main()
