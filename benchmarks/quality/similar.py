"""Similar movies: does who likes one of them like the others?

A fifth of the users are held out. Each movie that one of them likes (rates above 3) is a query, and the others that
they like are what its list should hold: NDCG@10 and recall@10 (of at most ten), means over queries, then over users.
The lists know nothing of the user. The item-kNN's settings are chosen on another tenth of the users.
"""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from handlers.recommender.loading import load_service
from training.config import preset
from training.data import RatingsLog
from training.estimators import ESTIMATORS
from training.export import export
from training.interactions import Interactions, encode

from . import grids
from .grids import Settings
from .records import Record, Task, stopwatch

LIKE_ABOVE = 3.0
LENGTH = 10
TEST, VALIDATION = 0.2, 0.1  # of the users
SEEDS = {"ml-100k": (0, 1, 2), "ml-1m": (0,)}
MODELS = tuple(ESTIMATORS)
AT_A_TIME = 500


def users(dataset: Interactions, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions of the rows of users for training, validation and test."""
    order = np.random.default_rng(seed).permutation(np.unique(dataset.user_rows))
    ends = np.cumsum([round(TEST * len(order)), round(VALIDATION * len(order))])
    test, validation, train = np.split(order, ends)
    return tuple(np.flatnonzero(np.isin(dataset.user_rows, part)) for part in (train, validation, test))


def score(lists: np.ndarray, held_out: Interactions) -> Record:
    """Of the lists [movies, 10] of every movie's similar ones, best first, 0 for none."""
    liked = held_out.take(np.flatnonzero(held_out.ratings > LIKE_ABOVE))
    discounts = 1 / np.log2(np.arange(2, 2 + LENGTH))
    ndcg, recall, asked = [], [], 0
    for user in np.unique(liked.user_rows):
        theirs = liked.movie_rows[liked.user_rows == user]
        most = min(LENGTH, len(theirs) - 1)
        if most:
            hits = np.isin(lists[theirs], theirs)
            ndcg.append(float((hits @ discounts).mean() / discounts[:most].sum()))
            recall.append(float(hits.sum(axis=1).mean() / most))
            asked += len(theirs)
    return {
        "ndcg@10": round(float(np.mean(ndcg)), 5),
        "recall@10": round(float(np.mean(recall)), 5),
        "users": len(ndcg),
        "queries": asked,
        "coverage@10": round((len(np.unique(lists)) - 1) / (len(lists) - 1), 5),
    }


def nearest(similarity: np.ndarray) -> np.ndarray:
    """The ten most similar movies [movies, 10] of each, best first, ties by row; neither itself nor row 0."""
    similarity = similarity.astype(np.float64)
    np.fill_diagonal(similarity, -np.inf)
    similarity[:, 0] = -np.inf
    return np.argsort(-similarity, axis=1, kind="stable")[:, :LENGTH]


def item_knn(dataset: Interactions, index: np.ndarray, settings: Settings) -> np.ndarray:
    """Cosine of two movies' columns of likes (or of all ratings, as ones), with a shrinkage in the denominator."""
    if settings["rows"] == "likes":
        index = index[dataset.ratings[index] > LIKE_ABOVE]
    rated = np.zeros((len(dataset.users.vocabulary), len(dataset.movies.vocabulary)), np.float32)
    rated[dataset.user_rows[index], dataset.movie_rows[index]] = 1
    both = rated.T @ rated
    norms = np.sqrt(np.diag(both))
    return both / np.maximum(np.outer(norms, norms) + settings["shrinkage"], 1e-9)


def of_popularity(log: RatingsLog, seed: int) -> Record:
    dataset = encode(log, False)
    train, validation, test = users(dataset, seed)
    index = np.union1d(train, validation)
    counts = np.bincount(dataset.movie_rows[index], minlength=len(dataset.movies.vocabulary))
    return score(nearest(np.tile(counts, (len(counts), 1))), dataset.take(test))


def of_item_knn(log: RatingsLog, seed: int, grid: list[Settings]) -> Record:
    dataset = encode(log, False)
    train, validation, test = users(dataset, seed)
    held_out = dataset.take(validation)
    found = [score(nearest(item_knn(dataset, train, settings)), held_out)["ndcg@10"] for settings in grid]
    best = int(np.argmax(found))
    with stopwatch() as seconds:
        lists = nearest(item_knn(dataset, np.union1d(train, validation), grid[best]))
    return score(lists, dataset.take(test)) | grids.choice(best, grid) | seconds


def of_ours(log: RatingsLog, seed: int, model: str) -> Record:
    """What the handler answers from an archive made of the other users' ratings."""
    dataset = encode(log, False)
    train, validation, test = users(dataset, seed)
    with stopwatch() as seconds:
        lists = handler_lists(log.with_rows(np.union1d(train, validation)), dataset, seed, model)
    return score(lists, dataset.take(test)) | seconds


def handler_lists(known: RatingsLog, dataset: Interactions, seed: int, model: str) -> np.ndarray:
    """The handler's similar movies of every movie, in the rows of ``dataset``: int64 [movies, 10]."""
    fitted = ESTIMATORS[model](preset("quick", model), seed=seed).fit(encode(known, True))
    movies = dataset.movies.vocabulary
    lists = np.zeros((len(movies), LENGTH), np.int64)
    with tempfile.TemporaryDirectory(prefix="quality-") as folder:
        export(Path(folder) / model, fitted, known, fitted.train, {})
        service = load_service(Path(folder) / model)
        for first in range(1, len(movies), AT_A_TIME):
            asked = [{"movie_id": raw, "k": LENGTH} for raw in movies.ids[first : first + AT_A_TIME]]
            (answer,) = service.answer([json.dumps({"instances": asked}).encode()])
            for row, prediction in enumerate(json.loads(answer.body)["predictions"], first):
                found = movies.to_rows([entry["movie_id"] for entry in prediction.get("similar", [])])
                lists[row, : len(found)] = found
    return lists


def tasks(log: RatingsLog, data: str) -> Iterator[Task]:
    for seed in SEEDS[data]:
        task = partial(Task, "similar", data, "users")
        yield task("popularity", seed, None, partial(of_popularity, log, seed))
        yield task("item-kNN, cosine", seed, grids.SIMILAR, partial(of_item_knn, log, seed, grids.SIMILAR))
        for model in MODELS if data == "ml-100k" else ("fm",):
            settings = dataclasses.asdict(preset("quick", model))
            yield task(f"ours: `{model}`", seed, settings, partial(of_ours, log, seed, model))
