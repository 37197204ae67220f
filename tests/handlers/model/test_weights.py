"""An archive of a log whose likes have weights: lists follow what somebody does often."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from archives.ids import MOVIES, USERS, ids_in
from handlers.recommender.api.service import Service
from handlers.recommender.loading import load_service
from handlers.recommender.model.errors import ArchiveError
from handlers.recommender.model.files import RANK_TABLES
from tests.conftest import train_small
from tests.handlers.asking import movies, said
from training.data.shop import generate


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    log = generate(customers=120, products=40, purchases=3_000, taste=1.0).log
    small = {"als_sweeps": 3, "list_weight_powers": (1.0,), "list_ridges": (100.0,), "list_factors": (16,)}
    return train_small("fm", log, tmp_path_factory.mktemp("shop"), target="like", method="als", **small) / "fm"


@pytest.fixture(scope="module")
def service(folder: Path) -> Service:
    return load_service(folder)


def asked(service: Service, body: dict) -> dict:
    return said(service.answer([json.dumps(body).encode()]))[0]


def test_lists_are_those_of_the_weighted_history(folder: Path, service: Service) -> None:
    """Written out once more, from the archive's files and the log alone."""
    log = generate(customers=120, products=40, purchases=3_000, taste=1.0).log
    inputs, items, people, _ = (np.load(folder / f"{name}.npy") for name in RANK_TABLES)
    features, weights = (np.load(folder / f"user_{name}.npy") for name in ("features", "weights"))
    metadata = json.loads((folder / "metadata.json").read_text())
    assert metadata["weighted"]
    ids, users = ([None, *ids_in(folder, side)] for side in (MOVIES, USERS))
    for user in users[1:30]:
        row, own = users.index(user), log.ratings[log.ratings["user_id"] == user]
        given = dict(zip(map(ids.index, own["movie_id"]), own["weight"] / log.ratings["weight"].mean(), strict=True))
        vector = sum((weight * inputs[movie] for movie, weight in given.items()), start=np.zeros(inputs.shape[1]))
        known = people[0] + (people[1 + features[row]] * weights[row][:, None]).sum(axis=0)
        order = items @ (vector + known / (1 + len(given) / metadata["rank_strength"]))
        best = sorted(set(range(1, len(ids))) - set(given), key=lambda movie: (-order[movie], movie))[:10]
        body = asked(service, {"user_id": user, "k": 10})
        assert order[[ids.index(movie) for movie in movies(body)]] == pytest.approx(order[best], abs=1e-5)


def test_the_reasons_of_a_list_add_up_with_weights_and_fresh_likes(service: Service) -> None:
    for more in ({}, {"ratings": [{"movie_id": "sku-1"}, {"movie_id": "sku-2"}]}):
        for user in ("c-1", "c-2", "c-3"):
            body = asked(service, {"user_id": user, "k": 5, "explain": True} | more)
            for entry in body["recommendations"]:
                total = sum(reason["share"] for reason in entry["rank_because"])
                assert total == pytest.approx(entry["rank_score"], abs=1e-6)
                (rest,) = [reason["share"] for reason in entry["rank_because"] if reason.get("remainder")]
                named = [reason["share"] for reason in entry["rank_because"] if "movie_id" in reason]
                assert abs(rest) <= 40 * max(map(abs, named))  # of the movies that are not named, each with less


def test_a_score_is_called_what_it_is(service: Service) -> None:
    described = service.describe()
    assert described["score"] == "probability that a pair is of the log and not drawn at random"
    assert "above" not in described["score"]


def test_an_archive_without_its_weights_is_refused(folder: Path, tmp_path: Path) -> None:
    for file in folder.iterdir():
        if file.name != "seen_weights.npy":
            (tmp_path / file.name).hardlink_to(file)
    with pytest.raises(ArchiveError, match=r"seen_weights\.npy"):
        load_service(tmp_path)
