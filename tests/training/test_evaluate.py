"""Metrics against slow, plain definitions."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from training import lists
from training.config import preset
from training.data import generate
from training.dataset import Dataset, encode
from training.evaluate import evaluate
from training.fitting import Batches, build, fit, rank

SETTINGS = dataclasses.replace(preset("quick", "mf"), sweeps=10, burn_in=5)


@pytest.fixture(scope="module")
def fitted():
    log = generate(seed=2, users=60, movies=50, ratings=1500).log
    dataset = encode(log, False)
    order = np.random.default_rng(0).permutation(len(dataset))
    train, test = np.sort(order[:1200]), np.sort(order[1200:])
    network = build("mf", dataset, train, SETTINGS, 0)
    fitted = fit(network, dataset, train, None, SETTINGS, 0)
    return fitted, rank.fit(dataset, train, SETTINGS), dataset, train, test


@torch.no_grad()
def all_scores(network, dataset: Dataset) -> np.ndarray:
    """[users, movies], pair by pair."""
    batches = Batches(dataset, np.arange(1), SETTINGS, torch.device("cpu"))
    users, movies = len(dataset.users.vocabulary), len(dataset.movies.vocabulary)
    pairs = [torch.arange(users).repeat_interleave(movies), torch.arange(movies).repeat(users)]
    return batches.scores(network, *pairs).reshape(users, movies).numpy()


def test_list_metrics_follow_their_definitions(fitted) -> None:
    whole, head, dataset, train, test = fitted
    metrics = evaluate(whole, head, dataset, train, dataset.take(test), SETTINGS)
    scores = rank.order(head, dataset, train)(np.arange(len(dataset.users.vocabulary)))
    counts = np.bincount(dataset.movie_rows[train], minlength=scores.shape[1])
    ndcg, recall, shown = [], [], []
    for user in np.unique(dataset.user_rows[test]):
        seen = set(dataset.movie_rows[train][dataset.user_rows[train] == user])
        relevant = set(dataset.movie_rows[test][dataset.user_rows[test] == user])
        ranked = sorted(set(range(1, scores.shape[1])) - seen, key=lambda movie: -scores[user, movie])
        gains = [1 / np.log2(2 + place) for place, movie in enumerate(ranked[:10]) if movie in relevant]
        ideal = sum(1 / np.log2(2 + place) for place in range(min(10, len(relevant))))
        ndcg.append(sum(gains) / ideal)
        recall.append(len(relevant & set(ranked[:20])) / len(relevant))
        shown += ranked[:10]
    assert metrics["ndcg@10"] == pytest.approx(np.mean(ndcg), abs=1e-6)
    assert metrics["recall@20"] == pytest.approx(np.mean(recall), abs=1e-6)
    assert metrics["coverage@10"] == pytest.approx(len(set(shown)) / (scores.shape[1] - 1))
    assert metrics["popularity@10"] == pytest.approx(np.mean(counts[shown]))


def test_rating_metrics_are_of_clipped_scores_and_cold_rows_are_apart(fitted) -> None:
    whole, head, dataset, train, test = fitted
    held = dataset.take(test)
    metrics = evaluate(whole, head, dataset, train, held, SETTINGS)
    scores = all_scores(whole.network, dataset)[held.user_rows, held.movie_rows].clip(1, 5)
    assert metrics["rmse"] == pytest.approx(np.sqrt(np.square(scores - held.ratings).mean()), rel=1e-5)
    assert metrics["mae"] == pytest.approx(np.abs(scores - held.ratings).mean(), rel=1e-5)
    few = train[dataset.user_rows[train] != held.user_rows[0]]
    colder = evaluate(whole, head, dataset, few, held, SETTINGS)
    cold = held.user_rows == held.user_rows[0]
    assert colder["cold_users"]["rows"] == cold.sum()
    assert colder["cold_users"]["rmse"] == pytest.approx(
        np.sqrt(np.square(scores[cold] - held.ratings[cold]).mean()), rel=1e-5
    )


def test_a_list_that_is_shorter_than_ten_can_be_perfect() -> None:
    log = generate(seed=2, users=30, movies=12, ratings=150).log
    dataset = encode(log, False)
    train, test = np.arange(0, 150, 2), np.arange(1, 150, 2)
    wanted = torch.zeros((len(dataset.users.vocabulary), len(dataset.movies.vocabulary)))
    wanted[dataset.user_rows[test], dataset.movie_rows[test]] = 1
    metrics = lists.measure(lambda rows: wanted[rows], dataset, train, dataset.take(test))
    assert metrics["ndcg@10"] == metrics["recall@20"] == 1
