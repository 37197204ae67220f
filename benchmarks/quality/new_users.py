"""How well people are served whom the model has never seen, from ratings that come with the request.

A fifth of the users of ML-100K are hidden. Of each, half of the ratings are given to the fold-in, which predicts the
other half. Beside it: the same model trained with the given ratings, and the mean rating of each movie.

    python -m benchmarks.quality.new_users
"""

from __future__ import annotations

import dataclasses
import json
import platform
import time
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import tyro
from sklearn.metrics import log_loss, root_mean_squared_error

from handlers.recommender import archive
from handlers.recommender.recommender import Limits, Recommender
from training.config import preset
from training.data import RatingsLog, load
from training.dataset import Dataset, encode
from training.export import export
from training.fitting import build, fit
from training.models import NETWORKS

RESULTS = Path(__file__).with_name("new_users.json")
Target = Literal["rating", "like"]


def parts(log: RatingsLog, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row numbers: of the users that stay, given by those that are hidden, and to predict."""
    rng = np.random.default_rng(seed)
    users = log.ratings["user_id"].to_numpy()
    hidden = rng.choice(np.unique(users), len(np.unique(users)) // 5, replace=False)
    is_hidden = np.isin(users, hidden)
    order = rng.permutation(len(users))
    place = np.empty(len(users), dtype=int)
    for user in hidden:
        rows = order[users[order] == user]
        place[rows] = np.arange(len(rows))
    return np.flatnonzero(~is_hidden), np.flatnonzero(is_hidden & (place % 2 == 0)), np.flatnonzero(is_hidden & (place % 2 == 1))


def fitted(model: str, dataset: Dataset, rows: np.ndarray, target: Target, seed: int):
    settings = preset("quick", model, target)
    network = build(model, dataset, rows, settings, seed)
    fit(network, dataset, rows, None, settings, seed)
    return network, settings


def served_scores(model, log, dataset, network, settings, given, wanted, folder: Path) -> tuple[np.ndarray, float]:
    """Answers of the handler's own code to one request a hidden user, and the median milliseconds of a fold-in."""
    known = dataclasses.replace(dataset, **{name: getattr(dataset, name)[0:0] for name in ("user_rows", "movie_rows", "ratings")})
    export(folder / model, model, network, log, dataset, settings, {})
    recommender = Recommender(archive.load(folder / model, torch.device("cpu")), Limits(), torch.device("cpu"))
    ratings, scores, times = log.ratings, np.zeros(len(wanted)), []
    users = ratings["user_id"].to_numpy()
    features = {} if log.users is None else log.users.set_index("user_id")[list(log.user_features)].to_dict("index")
    for user in np.unique(users[wanted]):
        mine, theirs = given[users[given] == user], np.flatnonzero(users[wanted] == user)
        who = {"ratings": [{"movie_id": int(movie), "rating": float(rating)} for movie, rating in zip(ratings["movie_id"].iloc[mine], ratings["rating"].iloc[mine])]}
        if NETWORKS[model].uses_features and user in features:
            who["user"] = features[user]
        instances = [who | {"movie_id": int(movie)} for movie in ratings["movie_id"].iloc[wanted[theirs]]]
        started = time.perf_counter()
        recommender.answer([{"body": json.dumps(instances[0]).encode()}])
        times.append(time.perf_counter() - started)
        (answer,) = recommender.answer([{"body": json.dumps({"instances": instances}).encode()}])
        scores[theirs] = [one["score"] for one in json.loads(answer.body)["predictions"]]
    return scores, 1000 * float(np.median(times))
