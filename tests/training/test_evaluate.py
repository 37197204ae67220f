"""Metrics against slow, plain definitions."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from training.config import preset
from training.data import generate
from training.dataset import Dataset, encode
from training.evaluate import evaluate, recall_at
from training.fitting import Batches, build, fit

SETTINGS = dataclasses.replace(preset("quick", "mf"), sweeps=10, burn_in=5)


@pytest.fixture(scope="module")
def fitted():
    log = generate(seed=2, users=60, movies=50, ratings=1500).log
    dataset = encode(log, False)
    order = np.random.default_rng(0).permutation(len(dataset))
    train, test = np.sort(order[:1200]), np.sort(order[1200:])
    network = build("mf", dataset, train, SETTINGS, 0)
    return fit(network, dataset, train, None, SETTINGS, 0), dataset, train, test


@torch.no_grad()
def all_scores(network, dataset: Dataset) -> np.ndarray:
    """[users, movies], pair by pair."""
    batches = Batches(dataset, np.arange(1), SETTINGS, torch.device("cpu"))
    users, movies = len(dataset.users.vocabulary), len(dataset.movies.vocabulary)
    pairs = [torch.arange(users).repeat_interleave(movies), torch.arange(movies).repeat(users)]
    return batches.scores(network, *pairs).reshape(users, movies).numpy()


def test_list_metrics_follow_their_definitions(fitted) -> None:
    (network, _, link), dataset, train, test = fitted
    metrics = evaluate(network, link, dataset, train, dataset.take(test), SETTINGS)
    scores = all_scores(network, dataset)
    ndcg, recall = [], []
    for user in np.unique(dataset.user_rows[test]):
        seen = set(dataset.movie_rows[train][dataset.user_rows[train] == user])
        relevant = set(dataset.movie_rows[test][dataset.user_rows[test] == user])
        ranked = sorted(set(range(1, scores.shape[1])) - seen, key=lambda movie: -scores[user, movie])
        gains = [1 / np.log2(2 + place) for place, movie in enumerate(ranked[:10]) if movie in relevant]
        ideal = sum(1 / np.log2(2 + place) for place in range(min(10, len(relevant))))
        ndcg.append(sum(gains) / ideal)
        recall.append(len(relevant & set(ranked[:20])) / len(relevant))
    assert metrics["ndcg@10"] == pytest.approx(np.mean(ndcg), abs=1e-6)
    assert metrics["recall@20"] == pytest.approx(np.mean(recall), abs=1e-6)


def test_rating_metrics_are_of_clipped_scores_and_cold_rows_are_apart(fitted) -> None:
    (network, _, link), dataset, train, test = fitted
    held = dataset.take(test)
    metrics = evaluate(network, link, dataset, train, held, SETTINGS)
    scores = all_scores(network, dataset)[held.user_rows, held.movie_rows].clip(1, 5)
    assert metrics["rmse"] == pytest.approx(np.sqrt(np.square(scores - held.ratings).mean()), rel=1e-5)
    assert metrics["mae"] == pytest.approx(np.abs(scores - held.ratings).mean(), rel=1e-5)
    few = train[dataset.user_rows[train] != held.user_rows[0]]
    colder = evaluate(network, link, dataset, few, held, SETTINGS)
    cold = held.user_rows == held.user_rows[0]
    assert colder["cold_users"]["rows"] == cold.sum()
    assert colder["cold_users"]["rmse"] == pytest.approx(
        np.sqrt(np.square(scores[cold] - held.ratings[cold]).mean()), rel=1e-5
    )


def test_recall_of_fewer_movies_than_k() -> None:
    relevant = np.array([[True, False, True]])
    assert recall_at(relevant, np.array([[0.1, 0.2, 0.3]]), 20).tolist() == [1.0]
    assert recall_at(relevant, np.array([[0.1, 0.2, 0.3]]), 1).tolist() == [0.5]
