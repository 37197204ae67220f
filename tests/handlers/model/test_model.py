"""A model whose ratings were fitted as ordered levels: the same contract on the same scale."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from handlers.recommender.api.limits import Limits
from handlers.recommender.api.service import Service
from handlers.recommender.model.link import Ordinal, Regression
from handlers.recommender.model.metadata import Metadata
from handlers.recommender.model.model import Model
from tests.conftest import Planted, train_small

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(planted: Planted, tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = {"ratings_as": "levels", "sweeps": 25, "burn_in": 10}
    return train_small("fm", planted.log, tmp_path_factory.mktemp("ordinal"), **settings) / "fm"


@pytest.fixture(scope="module")
def archive(folder: Path) -> Model:
    return Model.load(folder, CPU)


@pytest.fixture(scope="module")
def ask(archive: Model):
    service = Service(archive, Limits())
    return lambda request: json.loads(service.answer([json.dumps(request).encode()])[0].body)


def test_scores_are_expected_ratings(archive: Model, ask, planted: Planted) -> None:
    link = archive.metadata.link
    assert isinstance(link, Ordinal)
    pairs = planted.log.ratings[["user_id", "movie_id"]].drop_duplicates("user_id").head(20).astype(int)
    for user, movie in pairs.itertuples(index=False):
        row, item = archive.users.row(user), archive.movies.row(movie)
        encoded = archive.arrays["user_encodings"][row], archive.arrays["item_encodings"][item]
        raw = archive.network.score_pairs(*(one[None] for one in encoded))
        ends = torch.special.ndtr((raw - torch.tensor(link.cuts)) / link.noise_std)
        expected = link.levels[0] + float((ends * torch.tensor(link.levels).diff()).sum())
        assert ask({"user_id": user, "movie_id": movie})["score"] == pytest.approx(expected, abs=1e-4)


def test_scores_of_lists_stay_on_the_scale(ask, planted: Planted) -> None:
    entries = ask({"user_id": int(planted.log.ratings["user_id"].iloc[0]), "k": 30})["recommendations"]
    scores = [one["score"] for one in entries]
    assert 1 <= min(scores) <= max(scores) <= 5


def test_people_given_by_their_ratings_are_told_apart(ask, planted: Planted) -> None:
    movies = planted.log.ratings["movie_id"].value_counts().index[:12].tolist()
    wanted, rated = movies[0], movies[1:]
    loves, hates = (
        ask({"ratings": [{"movie_id": movie, "rating": rating} for movie in rated], "movie_id": wanted})["score"]
        for rating in (5, 1)
    )
    assert loves > hates + 1


def test_shares_add_up_to_the_personal_part(ask, planted: Planted) -> None:
    for entry in ask({"user_id": int(planted.log.ratings["user_id"].iloc[0]), "k": 5, "explain": True})[
        "recommendations"
    ]:
        assert sum(one["share"] for one in entry["because"]) == pytest.approx(entry["personal"], abs=1e-5)


def test_metadata_without_levels_is_a_regression(folder: Path) -> None:
    before = json.loads((folder / "metadata.json").read_text())
    del before["levels"], before["cuts"]
    link = msgspec.json.decode(json.dumps(before).encode(), type=Metadata).link
    assert isinstance(link, Regression)
    assert (link.low, link.high) == (1, 5)
    assert np.isclose(link.noise, before["prior_noise"])
