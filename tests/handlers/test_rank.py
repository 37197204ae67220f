"""Lists are ordered by the head made for it, and show the scores of their pairs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from handlers.recommender.api.errors import ArchiveError
from handlers.recommender.api.jobs import Limits
from handlers.recommender.api.service import Service
from handlers.recommender.model.archive import RANK_ARRAYS, RANK_TABLES, load
from tests.conftest import MODELS

CPU = torch.device("cpu")


def said(answers) -> list[dict]:
    assert [one.code for one in answers] == [200] * len(answers)
    return [json.loads(one.body) for one in answers]


def movies(body: dict) -> list[int]:
    return [entry["movie_id"] for entry in body["recommendations"]]


def ratings_of(log, user) -> list[dict]:
    mine = log.ratings[log.ratings["user_id"] == user]
    pairs = zip(mine["movie_id"].tolist(), mine["rating"].tolist(), strict=True)
    return [{"movie_id": movie, "rating": rating} for movie, rating in pairs]


@pytest.mark.parametrize("model", MODELS)
def test_served_lists_are_those_of_the_arrays(model, answer, build: Path, planted) -> None:
    """Written out once more, from the archive's files alone."""
    inputs, items, people, _ = (np.load(build / model / f"rank_{name}.npy") for name in RANK_TABLES)
    metadata = json.loads((build / model / "metadata.json").read_text())
    features, weights = (np.load(build / model / f"user_{name}.npy") for name in ("features", "weights"))
    ids = json.loads((build / model / "movies.json").read_text())
    users = json.loads((build / model / "users.json").read_text())
    at_zero, slope = metadata["rank_weight"]
    for user in users[1:40]:
        row = users.index(user)
        given = {ids.index(one["movie_id"]): one["rating"] for one in ratings_of(planted.log, user)}
        vector = sum((at_zero + slope * rating) * inputs[movie] for movie, rating in given.items())
        known = people[0] + (people[1 + features[row]] * weights[row][:, None]).sum(axis=0)
        order = items @ (vector + known / (1 + len(given)))
        best = sorted(set(range(1, len(ids))) - set(given), key=lambda movie: (-order[movie], movie))[:10]
        (body,) = said(answer(model, [{"user_id": user, "k": 10}]))
        assert order[[ids.index(movie) for movie in movies(body)]] == pytest.approx(order[best], abs=1e-6)


class Shares:
    """What each part adds to the numbers that order a list, written out from an archive's files alone."""

    def __init__(self, folder: Path) -> None:
        def read(name: str):
            return json.loads((folder / f"{name}.json").read_text())

        self.inputs, self.items, self.people, _ = (
            np.load(folder / f"rank_{name}.npy").astype(float) for name in RANK_TABLES
        )
        self.features, self.weights = (np.load(folder / f"user_{name}.npy") for name in ("features", "weights"))
        self.movies, self.users, self.metadata = read("movies"), read("users"), read("metadata")

    def of(self, movie, given: dict, features: dict, user_row: int) -> dict:
        """By rated movie, "everybody", and the side features whose columns are ``features``."""
        item = self.items[self.movies.index(movie)]
        at_zero, slope = self.metadata["rank_weight"]
        weigh = {one: 1.0 if rating is None else at_zero + slope * rating for one, rating in given.items()}
        shares = {one: weigh[one] * self.inputs[self.movies.index(one)] @ item for one in given}
        shares["everybody"] = self.people[0] @ item / (1 + len(given))
        for name, columns in features.items():
            known = self.people[1 + self.features[user_row, columns]] * self.weights[user_row, columns][:, None]
            shares[name] = known.sum(axis=0) @ item / (1 + len(given))
        return shares


def check_shares(body: dict, shares: Shares, given: dict, features: dict, user_row: int) -> None:
    """Whether each entry names the largest shares, has all others in the remainder, and they add up to its number."""
    numbers = [entry["rank_score"] for entry in body["recommendations"]]
    assert numbers == sorted(numbers, reverse=True)
    for entry in body["recommendations"]:
        *named, remainder = entry["rank_because"]
        assert remainder.keys() == {"remainder", "share"}
        assert sum(one["share"] for one in entry["rank_because"]) == pytest.approx(entry["rank_score"], abs=1e-9)
        expected = shares.of(entry["movie_id"], given, features, user_row)
        assert sum(expected.values()) == pytest.approx(entry["rank_score"], abs=1e-5)
        said = {one.get("movie_id", one.get("feature", "everybody")): one["share"] for one in named}
        assert {"everybody", *features} <= said.keys()
        assert said == pytest.approx({name: expected[name] for name in said}, abs=1e-5)
        unsaid = {name: share for name, share in expected.items() if name not in said}
        assert sum(unsaid.values()) == pytest.approx(remainder["share"], abs=1e-5)
        of_movies = [abs(said[name]) for name in said if name in given]
        assert len(of_movies) == min(5, len(given))
        assert max((abs(share) for share in unsaid.values()), default=0) <= min(of_movies, default=0) + 1e-6


@pytest.mark.parametrize("model", MODELS)
def test_the_shares_of_an_entrys_place_are_those_of_the_arrays(model, answer, build: Path, planted) -> None:
    shares = Shares(build / model)
    columns = {} if model == "mf" else {"gender": [0], "age": [1], "occupation": [2]}
    people = planted.log.users.set_index("user_id")
    some = ratings_of(planted.log, 17)[:3]
    for who, user, ratings in (
        ({"user_id": 11}, 11, ratings_of(planted.log, 11)),
        ({"ratings": some}, None, some),
        ({"user_id": "nobody"}, None, []),
        ({"ratings": some, "user": people.loc[13, ["gender", "age", "occupation"]].to_dict()}, 13, some),
        ({"user": people.loc[13, ["gender", "age", "occupation"]].to_dict()}, 13, []),
    ):
        if model == "mf" and "user" in who:
            continue
        (body,) = said(answer(model, [who | {"k": 12, "explain": True}]))
        given = {one["movie_id"]: one["rating"] for one in ratings}
        check_shares(body, shares, given, columns if user else {}, shares.users.index(user))


def test_likes_have_shares_too(of_likes: Service, likes_build: Path) -> None:
    shares = Shares(likes_build / "fm")
    user = of_likes.archive.some_users(1)[0]
    (past,) = said(of_likes.answer([{"body": msgspec.json.encode({"user_id": user, "history": True})}]))
    history = {one["movie_id"]: None for one in past["history"]}
    for who, given in (
        ({"user_id": user}, history),
        ({"ratings": [{"movie_id": "m-1"}, {"movie_id": "m-7"}]}, {"m-1": None, "m-7": None}),
    ):
        (body,) = said(of_likes.answer([{"body": msgspec.json.encode(who | {"k": 12, "explain": True})}]))
        check_shares(body, shares, given, {}, 0)


@pytest.mark.parametrize("model", MODELS)
def test_tables_that_meet_a_vector_whole_lie_by_column(model, recommenders) -> None:
    """As packed, and as mapped: a list then reads memory in order."""
    rank = recommenders[model].archive.rank
    assert rank.items.t().is_contiguous()
    assert rank.alike.t().is_contiguous()


@pytest.mark.parametrize("model", MODELS)
def test_each_entry_has_the_score_of_its_pair(model, answer, planted) -> None:
    for who in ({"user_id": 11}, {"user_id": "nobody"}, {"ratings": ratings_of(planted.log, 13)[:5]}):
        (body,) = said(answer(model, [who | {"k": 10}]))
        pairs = said(answer(model, [who | {"movie_id": movie} for movie in movies(body)]))
        assert [entry["score"] for entry in body["recommendations"]] == pytest.approx(
            [pair["score"] for pair in pairs], abs=1e-4
        )


@pytest.mark.parametrize("model", MODELS)
def test_somebody_new_with_the_same_ratings_and_features_gets_the_same_list(model, answer, planted) -> None:
    people = planted.log.users.set_index("user_id")[list(planted.log.user_features)]
    for user in (11, 13, 15):
        who: dict = {"ratings": ratings_of(planted.log, user)}
        if model != "mf":
            who["user"] = people.loc[user].to_dict()
        known, new = said(answer(model, [{"user_id": user, "k": 20}, who | {"k": 20}]))
        assert movies(known) == movies(new)


@pytest.mark.parametrize("model", MODELS)
def test_similar_movies_are_those_alike(model, answer, build: Path) -> None:
    alike = np.load(build / model / "rank_alike.npy")
    ids = json.loads((build / model / "movies.json").read_text())
    for row in range(1, 30):
        products = alike @ alike[row]
        (body,) = said(answer(model, [{"movie_id": ids[row], "k": 10}]))
        assert [one["score"] for one in body["similar"]] == pytest.approx(
            sorted(np.delete(products, [0, row]), reverse=True)[:10], abs=1e-5
        )


def test_what_nobody_has_rated_is_similar_by_its_features(build: Path, tmp_path: Path, planted) -> None:
    folder = Path(shutil.copytree(build / "fm", tmp_path / "fm"))
    alike = np.load(folder / "rank_alike.npy")
    counts = np.load(folder / "rating_counts.npy")
    alike[5] = counts[5] = 0
    np.save(folder / "rank_alike.npy", alike)
    np.save(folder / "rating_counts.npy", counts)
    flow = Service(load(folder, CPU), Limits(), CPU)
    (unrated,) = said(flow.answer([{"body": msgspec.json.encode({"movie_id": flow.archive.movies.ids[5], "k": 3})}]))

    network, metadata = flow.archive.network, flow.archive.metadata
    features, weights = (torch.from_numpy(np.load(folder / f"movie_{part}.npy")) for part in ("features", "weights"))
    unknown = network.own_items(torch.zeros(len(features), dtype=torch.int64))
    vectors = network.encode_items(unknown, features, weights)[:, : metadata.width].numpy().astype(float)
    trust = counts / (counts + metadata.similarity_shrinkage)
    away = vectors - np.average(vectors, axis=0, weights=trust)
    cosines = away @ away[5] / np.linalg.norm(away, axis=1) / np.linalg.norm(away[5]) * trust
    expected = sorted(np.delete(cosines, [0, 5]), reverse=True)[:3]
    assert [one["score"] for one in unrated["similar"]] == pytest.approx(expected, abs=1e-5)

    movie = planted.log.movies.set_index("movie_id").loc[flow.archive.movies.ids[5]]
    described = {"movie": {"genres": movie["genres"], "year": int(movie["year"])}, "k": 3}
    (body,) = said(flow.answer([{"body": msgspec.json.encode(described)}]))
    assert body["similar"] == unrated["similar"]


def test_what_is_rated_too_rarely_for_the_head_is_similar_by_its_vector(build: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(build / "fm", tmp_path / "fm"))
    alike, directions = np.load(folder / "rank_alike.npy"), np.load(folder / "item_directions.npy")
    alike[5] = 0
    np.save(folder / "rank_alike.npy", alike)
    flow = Service(load(folder, CPU), Limits(), CPU)
    (body,) = said(flow.answer([{"body": msgspec.json.encode({"movie_id": flow.archive.movies.ids[5], "k": 3})}]))
    counts = np.load(folder / "rating_counts.npy")
    cosines = directions @ directions[5] * counts / (counts + flow.archive.metadata.similarity_shrinkage)
    assert [one["score"] for one in body["similar"]] == pytest.approx(
        sorted(np.delete(cosines, [0, 5]), reverse=True)[:3], abs=1e-5
    )


def test_an_unknown_user_gets_what_many_have_rated(answer, planted) -> None:
    counts = planted.log.ratings["movie_id"].value_counts()
    (body,) = said(answer("mf", [{"user_id": "nobody", "k": 10}]))
    assert counts[movies(body)].mean() > 0.9 * counts.nlargest(10).mean()


def test_an_archive_without_the_head_orders_by_score(build: Path, tmp_path: Path) -> None:
    """One that was packed before there was such a head."""
    folder = Path(shutil.copytree(build / "fm", tmp_path / "fm"))
    for name in RANK_ARRAYS:
        (folder / f"{name}.npy").unlink()
    metadata = json.loads((folder / "metadata.json").read_text())
    del metadata["rank_weight"]
    (folder / "metadata.json").write_text(json.dumps(metadata))
    flow = Service(load(folder, CPU), Limits(), CPU)
    (body,) = said(flow.answer([{"body": b'{"user_id": 11, "k": 30}'}]))
    scores = [entry["score"] for entry in body["recommendations"]]
    assert len(scores) == 30
    assert scores == sorted(scores, reverse=True)
    (body,) = said(flow.answer([{"body": b'{"user_id": 11, "k": 3, "explain": true}'}]))
    assert "personal" in body["recommendations"][0]
    assert "rank_score" not in body["recommendations"][0]


@pytest.mark.parametrize("name", RANK_ARRAYS)
def test_arrays_of_another_head_are_refused(name: str, build: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(build / "fm", tmp_path / "fm"))
    array = np.load(folder / f"{name}.npy")
    np.save(folder / f"{name}.npy", array[:-1])
    with pytest.raises(ArchiveError, match=f"{name}.npy has {len(array) - 1} rows"):
        load(folder, CPU)
    np.save(folder / f"{name}.npy", np.ascontiguousarray(array[:, :-1]))
    with pytest.raises(ArchiveError, match=f"{name}.npy"):
        load(folder, CPU)
    (folder / f"{name}.npy").unlink()
    with pytest.raises(ArchiveError, match=f"{name}.npy"):
        load(folder, CPU)


def test_lists_of_many_at_once_are_those_of_one(recommenders, monkeypatch) -> None:
    """Also where they do not fit into memory together."""
    flow = recommenders["deepfm"]
    slots = [{"body": msgspec.json.encode({"user_id": user, "k": 7})} for user in (11, 13, 10**6, 15, 17)]
    alone = [said(flow.answer([slot]))[0] for slot in slots]
    assert [movies(body) for body in said(flow.answer(slots))] == [movies(body) for body in alone]
    monkeypatch.setattr("handlers.recommender.model.lists.MOST_SCORES", 2 * len(flow.archive.movies))
    assert [movies(body) for body in said(flow.answer(slots))] == [movies(body) for body in alone]
