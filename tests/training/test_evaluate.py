"""Metrics of a fitted estimator against slow, plain definitions."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tests.drifting import drifting
from tests.training.fits import rmse
from training.data import generate
from training.estimators import MF
from training.evaluate import evaluate
from training.interactions import Interactions, encode


@pytest.fixture(scope="module")
def measured() -> tuple[MF, Interactions]:
    """A fit, and what was held out from it."""
    everything = encode(generate(seed=2, users=60, movies=50, ratings=1500).log, False)
    order = np.random.default_rng(0).permutation(len(everything))
    train, test = (everything.take(np.sort(rows)) for rows in (order[:1200], order[1200:]))
    return MF(sweeps=10, burn_in=5).fit(train), test


def all_scores(estimator: MF) -> np.ndarray:
    """Raw scores [users, movies], pair by pair."""
    users, movies = estimator.train.shape
    pairs = np.repeat(np.arange(users), movies), np.tile(np.arange(movies), users)
    return estimator.raw_scores(*pairs).reshape(users, movies).numpy()


def test_list_metrics_follow_their_definitions(measured) -> None:
    estimator, test = measured
    train, metrics = estimator.train, evaluate(estimator, test)
    scores = estimator.order(np.arange(train.shape[0]))
    counts = np.bincount(train.movie_rows, minlength=scores.shape[1])
    ndcg, recall, shown = [], [], []
    for user in np.unique(test.user_rows):
        seen = set(train.movie_rows[train.user_rows == user])
        relevant = set(test.movie_rows[test.user_rows == user])
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


def test_rating_metrics_are_of_clipped_scores(measured) -> None:
    estimator, held = measured
    metrics = evaluate(estimator, held)
    scores = all_scores(estimator)[held.user_rows, held.movie_rows].clip(1, 5)
    assert metrics["rmse"] == pytest.approx(np.sqrt(np.square(scores - held.ratings).mean()), rel=1e-5)
    assert metrics["mae"] == pytest.approx(np.abs(scores - held.ratings).mean(), rel=1e-5)


def test_cold_rows_are_apart(measured) -> None:
    whole, held = measured
    few = whole.train.take(np.flatnonzero(whole.train.user_rows != held.user_rows[0]))
    colder = MF(sweeps=10, burn_in=5).fit(few)
    metrics = evaluate(colder, held)
    scores = all_scores(colder)[held.user_rows, held.movie_rows].clip(1, 5)
    cold = held.user_rows == held.user_rows[0]
    assert metrics["cold_users"]["rows"] == cold.sum()
    assert (metrics["cold_users"]["users"], metrics["list_users"]) == (1, len(np.unique(held.user_rows)) - 1)
    assert metrics["cold_users"].keys() >= {"ndcg@10", "recall@20"}
    assert metrics["cold_users"]["rmse"] == pytest.approx(
        np.sqrt(np.square(scores[cold] - held.ratings[cold]).mean()), rel=1e-5
    )
    assert metrics["cold_movies"] == {"rows": 0}


def test_metrics_are_of_the_moments_of_the_rows_and_of_none() -> None:
    rows = encode(drifting().log, use_features=False)
    model = MF(sweeps=20, burn_in=10, list_factors=(4,), list_ridges=(100.0,)).fit(rows.take(np.arange(6000)))
    held_out = rows.take(np.arange(6000, 7000))
    metrics = evaluate(model, held_out)
    pairs = held_out.user_rows, held_out.movie_rows
    for found, scores in (
        (metrics, model.predict_rows(*pairs, held_out.timestamps)),
        (metrics["without_timestamps"], model.predict_rows(*pairs)),
    ):
        assert found["rmse"] == pytest.approx(rmse(scores, held_out.ratings), abs=1e-5)
    assert "without_timestamps" not in evaluate(model, dataclasses.replace(held_out, timestamps=None))
