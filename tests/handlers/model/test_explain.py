"""Explanations: shares add up, and are those of the formulas."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest

from archives.ids import MOVIES, USERS, ids_in
from handlers.recommender.api.description import named_users
from handlers.recommender.api.service import Service
from handlers.recommender.model.files import RANK_TABLES
from tests.conftest import MODELS
from tests.handlers.asking import ratings_of, said


class Shares:
    """What each part adds to the numbers that order a list, written out from an archive's files alone."""

    def __init__(self, folder: Path) -> None:
        self.inputs, self.items, self.people, _ = (
            np.load(folder / f"{name}.npy").astype(float) for name in RANK_TABLES
        )
        self.features, self.weights = (np.load(folder / f"user_{name}.npy") for name in ("features", "weights"))
        self.movies, self.users = ([None, *ids_in(folder, side)] for side in (MOVIES, USERS))
        self.metadata = json.loads((folder / "metadata.json").read_text())

    def of(self, movie, given: dict, features: dict, user_row: int) -> dict:
        """By rated movie, "everybody", and the side features whose columns are ``features``."""
        item = self.items[self.movies.index(movie)]
        at_zero, slope = self.metadata["rank_weight"]
        weigh = {one: 1.0 if rating is None else at_zero + slope * rating for one, rating in given.items()}
        shares = {one: weigh[one] * self.inputs[self.movies.index(one)] @ item for one in given}
        shares["everybody"] = self.people[0] @ item / (1 + len(given) / self.metadata["rank_strength"])
        for name, columns in features.items():
            known = self.people[1 + self.features[user_row, columns]] * self.weights[user_row, columns][:, None]
            shares[name] = known.sum(axis=0) @ item / (1 + len(given) / self.metadata["rank_strength"])
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
    uses_features = bool(json.loads((build / model / "metadata.json").read_text())["user_features"]["fields"])
    columns = {"gender": [0], "age": [1], "occupation": [2]} if uses_features else {}
    people = planted.log.users.set_index("user_id")
    some = ratings_of(planted.log, 17)[:3]
    for who, user, ratings in (
        ({"user_id": 11}, 11, ratings_of(planted.log, 11)),
        ({"ratings": some}, None, some),
        ({"user_id": "nobody"}, None, []),
        ({"ratings": some, "user": people.loc[13, ["gender", "age", "occupation"]].to_dict()}, 13, some),
        ({"user": people.loc[13, ["gender", "age", "occupation"]].to_dict()}, 13, []),
    ):
        if not uses_features and "user" in who:
            continue
        (body,) = said(answer(model, [who | {"k": 12, "explain": True}]))
        given = {one["movie_id"]: one["rating"] for one in ratings}
        check_shares(body, shares, given, columns if user else {}, shares.users.index(user))


def test_likes_have_shares_too(of_likes: Service, likes_build: Path) -> None:
    shares = Shares(likes_build / "fm")
    user = named_users(of_likes.model, 1)[0]
    (past,) = said(of_likes.answer([msgspec.json.encode({"user_id": user, "history": True})]))
    history = {one["movie_id"]: None for one in past["history"]}
    for who, given in (
        ({"user_id": user}, history),
        ({"ratings": [{"movie_id": "m-1"}, {"movie_id": "m-7"}]}, {"m-1": None, "m-7": None}),
    ):
        (body,) = said(of_likes.answer([msgspec.json.encode(who | {"k": 12, "explain": True})]))
        check_shares(body, shares, given, {}, 0)


@pytest.mark.parametrize("model", MODELS)
class TestExplanations:
    def entries(self, answer, model: str, who: dict) -> list[dict]:
        (body,) = answer(model, [who | {"k": 8, "explain": True}])
        assert body.code == 200
        return json.loads(body.body)["recommendations"]

    def test_shares_add_up_to_the_personal_part(self, answer, model: str, planted) -> None:
        user = int(planted.log.ratings["user_id"].iloc[0])
        movies = planted.log.movies["movie_id"].iloc[:4].tolist()
        given = {"ratings": [{"movie_id": one, "rating": rating} for one, rating in zip(movies, (5, 1, 4, 2))]}
        for who in ({"user_id": user}, given, {"user_id": "nobody"}):
            for entry in self.entries(answer, model, who):
                shares = [reason["share"] for reason in entry["because"]]
                assert sum(shares) == pytest.approx(entry["personal"], abs=1e-5)
                assert entry["because"][-1].keys() == {"remainder", "share"}

    def test_the_personal_part_is_what_the_number_has_over_that_of_somebody_unknown(self, answer, model, planted):
        user = int(planted.log.ratings["user_id"].iloc[0])
        for entry in self.entries(answer, model, {"user_id": user}):
            pair = {"user_id": "nobody", "movie_id": entry["movie_id"]}
            unknown = json.loads(answer(model, [pair])[0].body)["score"]
            if model == "deepfm":
                logits = np.log([one / (1 - one) for one in (entry["score"], unknown)])
                assert logits[0] - logits[1] == pytest.approx(entry["personal"], abs=1e-3)
            elif entry["score"] < 5:
                assert entry["score"] - unknown == pytest.approx(entry["personal"], abs=1e-4)

    def test_a_rating_turned_round_turns_its_share_round(self, answer, model: str, planted) -> None:
        first, second = planted.log.ratings["movie_id"].value_counts().index[:2].tolist()
        some = planted.log.movies["movie_id"].iloc[:30].tolist()
        shares = []
        for rating in (5, 1):
            given = {"ratings": [{"movie_id": first, "rating": rating}, {"movie_id": second, "rating": 3.5}]}
            entries = self.entries(answer, model, given | {"candidates": some})
            shares.append({
                entry["movie_id"]: reason["share"]
                for entry in entries for reason in entry["because"] if reason.get("movie_id") == first
            })  # fmt: skip
        both = shares[0].keys() & shares[1].keys()
        assert both
        assert all(shares[0][movie] * shares[1][movie] < 0 for movie in both)


def test_mf_shares_are_the_ridge_regressions(answer, services, planted) -> None:
    """``q_i' A^-1 q_j residual_j``, with numpy from the archive's arrays alone."""
    archive = services["mf"].model
    movies = planted.log.movies["movie_id"].iloc[:3].tolist()
    ratings = [5.0, 1.0, 4.0]
    given = {"ratings": [{"movie_id": one, "rating": rating} for one, rating in zip(movies, ratings)]}
    (body,) = answer("mf", [given | {"k": 5, "explain": True}])
    items = archive.arrays["item_encodings"].double().numpy()
    width = archive.metadata.width
    design = np.column_stack([items[:, :width], np.ones(len(items))])
    rated = [archive.movies.row(one) for one in movies]
    mean = float(archive.network.mean)
    prior = archive.prior.mean.double().numpy()
    residual = np.array(ratings) - (mean + items[rated, -1] + design[rated] @ prior)
    noise = archive.metadata.prior_noise
    precision = design[rated].T @ design[rated] / noise + archive.prior.precision.double().numpy()
    for entry in json.loads(body.body)["recommendations"]:
        row = archive.movies.row(entry["movie_id"])
        expected = design[row] @ np.linalg.solve(precision, design[rated].T * residual / noise)
        shares = {reason["movie_id"]: reason["share"] for reason in entry["because"] if "movie_id" in reason}
        assert [shares[one] for one in movies] == pytest.approx(expected.tolist(), abs=1e-3)
