"""Lists are ordered by the list ranker, and show the scores of their pairs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from archives.ids import MOVIES, USERS, ids_in
from handlers.recommender.loading import load_service
from handlers.recommender.model.files import RANK_ARRAYS, RANK_TABLES
from tests.conftest import MODELS
from tests.handlers.asking import movies, ratings_of, said

CPU = torch.device("cpu")


@pytest.mark.parametrize("model", MODELS)
def test_served_lists_are_those_of_the_arrays(model, answer, build: Path, planted) -> None:
    """Written out once more, from the archive's files alone."""
    inputs, items, people, _ = (np.load(build / model / f"{name}.npy") for name in RANK_TABLES)
    metadata = json.loads((build / model / "metadata.json").read_text())
    features, weights = (np.load(build / model / f"user_{name}.npy") for name in ("features", "weights"))
    ids, users = ([None, *ids_in(build / model, side)] for side in (MOVIES, USERS))
    at_zero, slope = metadata["rank_weight"]
    for user in users[1:40]:
        row = users.index(user)
        given = {ids.index(one["movie_id"]): one["rating"] for one in ratings_of(planted.log, user)}
        vector = sum((at_zero + slope * rating) * inputs[movie] for movie, rating in given.items())
        known = people[0] + (people[1 + features[row]] * weights[row][:, None]).sum(axis=0)
        order = items @ (vector + known / (1 + len(given) / metadata["rank_strength"]))
        best = sorted(set(range(1, len(ids))) - set(given), key=lambda movie: (-order[movie], movie))[:10]
        (body,) = said(answer(model, [{"user_id": user, "k": 10}]))
        assert order[[ids.index(movie) for movie in movies(body)]] == pytest.approx(order[best], abs=1e-6)


@pytest.mark.parametrize("model", MODELS)
def test_each_entry_has_the_score_of_its_pair(model, answer, planted) -> None:
    for who in ({"user_id": 11}, {"user_id": "nobody"}, {"ratings": ratings_of(planted.log, 13)[:5]}):
        (body,) = said(answer(model, [who | {"k": 10}]))
        pairs = said(answer(model, [who | {"movie_id": movie} for movie in movies(body)]))
        assert [entry["score"] for entry in body["recommendations"]] == pytest.approx(
            [pair["score"] for pair in pairs], abs=1e-4
        )


@pytest.mark.parametrize("model", MODELS)
def test_somebody_new_with_the_same_ratings_and_features_gets_the_same_list(model, services, answer, planted) -> None:
    uses_features = services[model].model.metadata.user_features.fields
    people = planted.log.users.set_index("user_id")[list(planted.log.user_features)]
    for user in (11, 13, 15):
        who: dict = {"ratings": ratings_of(planted.log, user)}
        if uses_features:
            who["user"] = people.loc[user].to_dict()
        known, new = said(answer(model, [{"user_id": user, "k": 20}, who | {"k": 20}]))
        assert movies(known) == movies(new)


def test_an_unknown_user_gets_what_many_have_rated(answer, planted) -> None:
    counts = planted.log.ratings["movie_id"].value_counts()
    (body,) = said(answer("mf", [{"user_id": "nobody", "k": 10}]))
    assert counts[movies(body)].mean() > 0.9 * counts.nlargest(10).mean()


def test_an_archive_without_a_list_ranker_orders_by_score(build: Path, tmp_path: Path) -> None:
    """One that was packed before there was a list ranker."""
    folder = Path(shutil.copytree(build / "fm", tmp_path / "fm"))
    for name in RANK_ARRAYS:
        (folder / f"{name}.npy").unlink()
    metadata = json.loads((folder / "metadata.json").read_text())
    del metadata["rank_weight"]
    (folder / "metadata.json").write_text(json.dumps(metadata))
    service = load_service(folder)
    (body,) = said(service.answer([b'{"user_id": 11, "k": 30}']))
    scores = [entry["score"] for entry in body["recommendations"]]
    assert len(scores) == 30
    assert scores == sorted(scores, reverse=True)
    (body,) = said(service.answer([b'{"user_id": 11, "k": 3, "explain": true}']))
    assert "personal" in body["recommendations"][0]
    assert "rank_score" not in body["recommendations"][0]
    for name in ("diversity", "explore"):
        (answer,) = service.answer([json.dumps({"user_id": 11, name: 0.5}).encode()])
        assert answer.code == 400
        assert f"{name} is 0.5: this archive has no list ranker" in json.loads(answer.body)["message"]
    said(service.answer([b'{"user_id": 11, "diversity": 0, "popularity_damping": 0, "explore": 0}']))


@pytest.mark.parametrize("model", MODELS)
def test_diverse_and_damped_lists_are_those_of_the_arrays(model, services, answer, build: Path) -> None:
    """Written out once more: numbers, damping, then the best marginal relevance of the whole catalogue."""
    alike, counts = (np.load(build / model / f"{name}.npy") for name in ("rank_alike", "rating_counts"))
    alike /= np.maximum(np.linalg.norm(alike, axis=1, keepdims=True), 1e-12)
    ids = services[model].model.movies.ids
    for user, diversity, damping in ((11, 0.0, 0.3), (13, 0.4, 0.0), (15, 0.7, 0.2), (10**6, 0.5, 0.5)):
        (whole,) = said(answer(model, [{"user_id": user, "k": 1000, "explain": True}]))
        number = {one["movie_id"]: one["rank_score"] for one in whole["recommendations"]}
        rows = {movie: row for row in range(1, len(ids)) if (movie := ids[row]) in number}
        for movie in number:
            number[movie] *= max(1, counts[rows[movie]]) ** (-damping if number[movie] > 0 else damping)
        best, listed = max(number.values()), []
        while len(listed) < 10:
            worth = {
                movie: (1 - diversity) * np.log(max(number[movie] / best, 1e-6))
                - diversity * max([0.0, *(alike[rows[movie]] @ alike[rows[other]] for other in listed)])
                for movie in number.keys() - set(listed)
            }
            listed.append(max(worth, key=worth.get))
        who = {"user_id": user, "k": 10, "diversity": diversity, "popularity_damping": damping}
        (body,) = said(answer(model, [who]))
        assert movies(body) == listed


def test_reasons_of_a_damped_list_add_up_to_the_list_rankers_number(answer) -> None:
    who = {"user_id": 11, "k": 10, "explain": True}
    plain, changed = said(answer("fm", [who | {"k": 1000}, who | {"popularity_damping": 0.5, "diversity": 0.3}]))
    numbers = {one["movie_id"]: one["rank_score"] for one in plain["recommendations"]}
    for one in changed["recommendations"]:
        assert one["rank_score"] == pytest.approx(numbers[one["movie_id"]], abs=2e-6)
        assert sum(share["share"] for share in one["rank_because"]) == pytest.approx(one["rank_score"], abs=1e-5)


def test_lists_of_many_at_once_are_those_of_one(services, monkeypatch) -> None:
    """Also where they do not fit into memory together."""
    service = services["deepfm"]
    slots = [msgspec.json.encode({"user_id": user, "k": 7}) for user in (11, 13, 10**6, 15, 17)]
    alone = [said(service.answer([slot]))[0] for slot in slots]
    assert [movies(body) for body in said(service.answer(slots))] == [movies(body) for body in alone]
    monkeypatch.setattr("handlers.recommender.model.model.MAX_SCORES", 2 * len(service.model.movies))
    assert [movies(body) for body in said(service.answer(slots))] == [movies(body) for body in alone]
