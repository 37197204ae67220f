"""How well people are served whom the model has never seen, from ratings that come with the request.

A fifth of the users of ML-100K are hidden from training. Half of the ratings of each go into a request, and the handler
predicts the other half. Beside it: the same model trained with those ratings, and the mean of each movie.

    python -m benchmarks.new_users
"""

from __future__ import annotations

import json
import platform
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import log_loss, root_mean_squared_error

from handlers.recommender.loading import load_service
from training.config import Settings, preset
from training.data import RatingsLog, load
from training.estimators import ESTIMATORS, TwoEncoderEstimator
from training.export import export
from training.interactions import Interactions, encode

from .tables import of_records, publish

RESULTS = Path(__file__).with_suffix(".json")


@dataclass(frozen=True)
class Parts:
    """Row numbers of the log: of the users that stay, given by those that are hidden, and to predict."""

    stay: np.ndarray
    given: np.ndarray
    wanted: np.ndarray


def split(log: RatingsLog, seed: int = 0) -> Parts:
    rng = np.random.default_rng(seed)
    users = log.ratings["user_id"].to_numpy()
    everybody = np.unique(users)
    hidden = rng.choice(everybody, len(everybody) // 5, replace=False)
    given = np.concatenate([rng.permutation(np.flatnonzero(users == user))[::2] for user in hidden])
    is_hidden = np.isin(users, hidden)
    return Parts(np.flatnonzero(~is_hidden), np.sort(given), np.setdiff1d(np.flatnonzero(is_hidden), given))


def error(scores: np.ndarray, ratings: np.ndarray, settings: Settings) -> float:
    """RMSE of ratings, log loss of probabilities of a like."""
    if settings.target == "rating":
        return float(root_mean_squared_error(ratings, np.clip(scores, 1, 5)))
    return float(log_loss(ratings > settings.like_above, scores.astype(np.float64)))


def item_means(dataset: Interactions, parts: Parts, settings: Settings) -> np.ndarray:
    """For likes the share of likes, with five ratings of the average movie added so that none is 0 or 1."""
    values = dataset.ratings[parts.stay]
    if settings.target == "like":
        values = (values > settings.like_above).astype(float)
    extra = 5 if settings.target == "like" else 1e-9
    size = len(dataset.movies.vocabulary)
    movies = dataset.movie_rows[parts.stay]
    sums, counts = np.bincount(movies, values, size), np.bincount(movies, minlength=size)
    return ((sums + extra * values.mean()) / (counts + extra))[dataset.movie_rows[parts.wanted]]


def folded_in(estimator: TwoEncoderEstimator, log: RatingsLog, parts: Parts) -> tuple[np.ndarray, float]:
    """What the handler answers to one request a hidden user, and the median milliseconds of such a request."""
    known = log.with_rows(parts.stay)
    ratings, scores, times = log.ratings, np.zeros(len(parts.wanted)), []
    users = ratings["user_id"].to_numpy()
    people = log.users.set_index("user_id")[list(log.user_features)].to_dict("index")
    with tempfile.TemporaryDirectory() as folder:
        export(Path(folder) / estimator.name, estimator, known, estimator.train, {})
        service = load_service(Path(folder) / estimator.name)
        for user in np.unique(users[parts.wanted]):
            mine = ratings.iloc[parts.given[users[parts.given] == user]]
            theirs = np.flatnonzero(users[parts.wanted] == user)
            pairs = zip(mine["movie_id"].tolist(), mine["rating"].tolist(), strict=True)
            who: dict = {"ratings": [{"movie_id": movie, "rating": rating} for movie, rating in pairs]}
            if estimator.uses_features:
                who["user"] = people[user]
            asked = [who | {"movie_id": movie} for movie in ratings["movie_id"].iloc[parts.wanted[theirs]].tolist()]
            started = time.perf_counter()
            service.answer([json.dumps(asked[0]).encode()])
            times.append(time.perf_counter() - started)
            (answer,) = service.answer([json.dumps({"instances": asked}).encode()])
            scores[theirs] = [prediction["score"] for prediction in json.loads(answer.body)["predictions"]]
    return scores, 1000 * float(np.median(times))


def measure(model: str, log: RatingsLog, parts: Parts) -> dict:
    settings = preset("quick", model)
    to_others, to_all = ESTIMATORS[model](settings), ESTIMATORS[model](settings, list_ranker=False)
    dataset = encode(log, to_others.uses_features)
    ratings = dataset.ratings[parts.wanted]
    to_others.fit(dataset.take(parts.stay))
    to_all.fit(dataset.take(np.union1d(parts.stay, parts.given)))
    wanted = dataset.take(parts.wanted)
    scores, milliseconds = folded_in(to_others, log, parts)
    errors = {
        "movie mean": error(item_means(dataset, parts, settings), ratings, settings),
        "folded in": error(scores, ratings, settings),
        "trained with": error(to_all.predict_rows(wanted.user_rows, wanted.movie_rows), ratings, settings),
    }
    gap = errors["movie mean"] - errors["trained with"]
    return {
        "model": model,
        "error": "RMSE" if settings.target == "rating" else "log loss",
        **{name: round(value, 4) for name, value in errors.items()},
        "share of the gap closed": round((errors["movie mean"] - errors["folded in"]) / gap, 3),
        "milliseconds": round(milliseconds, 1),
    }


def new_users(results: dict) -> str:
    """The errors of each model, and of what it is compared to."""
    return of_records(results["rows"])


ON_THE_PAGE = (new_users,)


def load_results() -> dict:
    """The committed results."""
    return json.loads(RESULTS.read_text())


def main() -> None:
    torch.set_num_threads(1)
    log = load("ml-100k")
    parts = split(log)
    results = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{platform.machine()}, one thread",
        "torch": torch.__version__,
        "data": {"name": log.name, "sha256": log.sha256},
        "rows": [measure(model, log, parts) for model in ESTIMATORS],
    }
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    publish(results, ON_THE_PAGE)


if __name__ == "__main__":
    main()
