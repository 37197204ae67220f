"""The quality benchmark: its store of records, its choice of settings and its scores (no peer is needed)."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from optuna.distributions import CategoricalDistribution

from benchmarks.quality import grids, ranking, similar
from benchmarks.quality.peers.ease import EASE
from benchmarks.quality.records import Records, Task
from training.data import RatingsLog, Split, generate
from training.interactions import Interactions, encode
from training.metrics.ranking import measure


def task(name: str, settings: dict | list | None = None) -> Task:
    return Task("ratings", "planted", "u1", name, 0, settings or {"ranks": (1, 2)}, dict)


def test_a_run_that_was_cut_off_goes_on_where_it_was(tmp_path: Path) -> None:
    about = {"machine": "this", "versions": {"torch": "1"}}
    Records(tmp_path / "r.json", about).add(task("first"), {"rmse": 0.9})
    again = Records(tmp_path / "r.json", about)
    assert again.has(task("first"))
    assert not again.has(task("second"))
    again.add(task("second"), {"rmse": 0.8})
    assert [record["rmse"] for record in Records(tmp_path / "r.json", about).by_key.values()] == [0.9, 0.8]


def test_a_record_made_with_other_settings_is_measured_again(tmp_path: Path) -> None:
    records = Records(tmp_path / "r.json", {})
    records.add(task("first"), {"rmse": 0.9})
    assert not records.has(task("first", {"ranks": (1, 3)}))
    grid = grids.grid(ranks=(1, 2, 3))
    records.add(task("tuned", grid), {"rmse": 0.9})
    assert records.has(task("tuned", grid))
    assert not records.has(task("tuned", grid[:2]))


def test_records_of_two_machines_are_not_mixed(tmp_path: Path) -> None:
    Records(tmp_path / "r.json", {"machine": "this"}).add(task("first"), {})
    with pytest.raises(ValueError, match="machine was this, is that"):
        Records(tmp_path / "r.json", {"machine": "that"})


def planted(likes: list[tuple[int, int]]) -> Interactions:
    """Users 1.. and movies 1..6; every row a five."""
    frame = pd.DataFrame(likes, columns=["user_id", "movie_id"]).astype({"user_id": "int64", "movie_id": "int64"})
    movies = pd.DataFrame({"movie_id": range(1, 7), "title": "", "year": pd.array([None] * 6, "Int64"), "genres": ""})
    movies = movies.astype({"title": "str", "genres": "str"})
    return encode(RatingsLog("planted", frame.assign(rating=np.float32(5)), movies=movies), False)


def test_the_tuned_contestant_is_the_one_with_the_planted_answer() -> None:
    """One of three orders knows what is held out: it is chosen on validation rows and scores 1 on the test rows."""
    data = planted([(user, movie) for user in (1, 2, 3) for movie in (1, 2, 3, 4, 5)])
    movies = data.movie_rows
    parts = Split(*(np.flatnonzero(np.isin(movies, part)) for part in ([1, 2, 3], [4], [5])))
    scores = {"best": [0, 0, 0, 0, 5, 4, 0], "flat": [0, 1, 1, 1, 1, 1, 2], "worst": [0, 9, 9, 9, 0, 0, 9]}

    def fit(_: Interactions, settings: dict) -> ranking.Fitted:
        table = torch.tensor(scores[settings["which"]]).float()
        return ranking.Fitted(lambda rows: table.repeat(len(rows), 1), table.nbytes)

    protocol = SimpleNamespace(
        seed=0,
        rows=lambda: (*parts.take(data)[:2], data.take(np.union1d(parts.train, parts.validation)), parts.take(data)[2]),
        measured=lambda fitted, both, test: measure(fitted.order, both, test),
    )
    space = {"which": CategoricalDistribution(tuple(scores))}
    found = ranking.tuned(fit, space, {"which": "flat"}, 8, protocol)
    assert found["chosen"] == {"which": "best"}
    assert found["ndcg@10"] == 1.0
    assert found["trials"] == 8


def test_similar_lists_are_scored_by_what_held_out_users_like() -> None:
    held_out = planted([(1, 1), (1, 2), (1, 3), (2, 4)])
    lists = np.zeros((7, similar.LENGTH), int)
    lists[1, :2] = 2, 3  # everything, in the first places
    lists[2, :3] = 6, 1, 5  # one of two, in the second place
    found = similar.score(lists, held_out)  # movie 3 lists nothing; user 2 has nothing to compare
    second = 1 / np.log2(3)
    assert found["users"] == 1
    assert found["recall@10"] == pytest.approx((1 + 0.5 + 0) / 3, abs=1e-5)
    assert found["ndcg@10"] == pytest.approx((1 + second / (1 + second) + 0) / 3, abs=1e-5)


def test_item_knn_finds_planted_pairs() -> None:
    data = planted([(1, 1), (1, 2), (2, 1), (2, 2), (3, 3), (3, 4), (4, 3), (4, 4), (5, 1), (5, 3)])
    lists = similar.nearest(similar.item_knn(data, np.arange(len(data)), {"rows": "likes", "shrinkage": 0.0}))
    assert lists[1:5, 0].tolist() == [2, 1, 4, 3]


def test_an_end_of_a_grid_is_named() -> None:
    grid = grids.grid(factors=(1, 2, 3), alpha=(0.5,), ridge=(1, 10))
    assert grids.choice(grid.index({"factors": 2, "alpha": 0.5, "ridge": 10}), grid)["edge"] == ["ridge"]


def test_the_item_knn_is_tuned_and_measured() -> None:
    log = generate(seed=0, users=250, movies=80, ratings=6000).log
    grid = grids.grid(shrinkage=(0.0, 10.0, 100.0), rows=("likes", "all ratings"))
    found = similar.of_item_knn(log, 0, grid)
    assert found["trials"] == 6
    assert similar.of_popularity(log, 0)["ndcg@10"] < found["ndcg@10"] <= 1
    assert found["chosen"] in grid


def test_our_lists_are_measured_with_what_validation_rows_chose() -> None:
    protocol = ranking.Protocol(generate(seed=0, users=250, movies=80, ratings=6000).log, 0)
    found = ranking.of_ours(protocol, use_features=True)
    assert found["chosen"].keys() == {"list_ridges", "list_dampings", "list_strengths", "list_factors"}
    assert found["trials"] == 18
    assert 0 < found["diversity@10"] < 2
    assert ranking.popularity(protocol)["ndcg@10"] < found["ndcg@10"] < 1
    tuned = ranking.of_ours(protocol, use_features=True, n_trials=4)
    assert tuned["chosen"].keys() > found["chosen"].keys()
    assert tuned["trials"] == 4
    assert ranking.popularity(protocol)["ndcg@10"] < tuned["ndcg@10"] < 1


def test_every_peer_of_lists_starts_within_its_space() -> None:
    for peer in grids.RANKING.values():
        assert peer.first.keys() == peer.space.keys()
        assert all(each.low <= peer.first[name] <= each.high for name, each in peer.space.items())
        assert set(peer.data) <= set(grids.TRIALS)


def test_ease_is_a_regression_on_the_other_movies_whose_weights_are_its_size() -> None:
    log = generate(seed=0, users=60, movies=20, ratings=500).log
    peer = EASE(ridge=3.0).fit(encode(log, False))
    rated = peer.rated.toarray().astype(float)
    for movie in range(1, rated.shape[1]):
        others = np.delete(rated, movie, axis=1)
        gram = others.T @ others + 3.0 * np.eye(others.shape[1])
        expected = np.linalg.solve(gram, others.T @ rated[:, movie])
        assert np.delete(peer.weights[:, movie], movie) == pytest.approx(expected, abs=1e-4)
    assert peer.size == 4 * rated.shape[1] ** 2
