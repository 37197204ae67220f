"""A request with a timestamp is answered for that moment, by an archive whose users drift."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from handlers.recommender.api.service import Service
from handlers.recommender.loading import load_service
from handlers.recommender.model.errors import ArchiveError
from handlers.recommender.model.files import DRIFT_ARRAYS
from tests.drifting import Drifting, drifting
from tests.handlers.asking import assert_same, movies, said
from training.config import preset
from training.estimators import FM, TwoEncoderEstimator
from training.export import export

FAR = 2**53 - 1  # from all ratings


@pytest.fixture(scope="module")
def made() -> Drifting:
    return drifting()


@pytest.fixture(scope="module")
def estimator(made: Drifting) -> TwoEncoderEstimator:
    quick = {"sweeps": 20, "burn_in": 10, "list_factors": (8,), "list_ridges": (100.0,)}
    return FM(preset("quick", "fm"), **quick).fit(made.log)


@pytest.fixture(scope="module")
def folder(made: Drifting, estimator: TwoEncoderEstimator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drifting") / "fm"
    export(folder, estimator, made.log, estimator.train, {})
    return folder


@pytest.fixture(scope="module")
def service(folder: Path) -> Service:
    return load_service(folder)


@pytest.fixture(scope="module")
def asked(made: Drifting) -> list[dict[str, Any]]:
    """Pairs with the moments of their ratings."""
    return made.log.ratings.head(200).drop(columns="rating").to_dict("records")


def ask(service: Service, requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return said(service.answer([json.dumps(one).encode() for one in requests]))


def scores(service: Service, requests: list[dict[str, Any]]) -> list[float]:
    return [answer["score"] for answer in ask(service, requests)]


def without(request: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in request.items() if name != "timestamp"}


def test_scores_are_those_of_the_estimator(service: Service, asked, estimator: TwoEncoderEstimator) -> None:
    columns = [[one[name] for one in asked] for name in ("user_id", "movie_id", "timestamp")]
    np.testing.assert_allclose(scores(service, asked), estimator.predict(*columns), atol=1e-4)
    plain = scores(service, [without(one) for one in asked])
    np.testing.assert_allclose(plain, estimator.predict(*columns[:2]), atol=1e-4)
    assert np.abs(np.subtract(scores(service, asked), plain)).mean() > 0.1


def test_many_in_a_body_are_answered_as_each_alone(service: Service, asked) -> None:
    mixed = [one if number % 2 else without(one) for number, one in enumerate(asked)]
    (together,) = ask(service, [{"instances": mixed}])
    for one, alone in zip(together["predictions"], ask(service, mixed), strict=True):
        assert_same(one, alone)


def test_far_from_all_ratings_it_is_the_score_without_a_timestamp(service: Service, asked) -> None:
    plain = scores(service, [without(one) for one in asked])
    for timestamp in (0, FAR):
        assert scores(service, [one | {"timestamp": timestamp} for one in asked]) == pytest.approx(plain, abs=1e-6)


def test_somebody_new_does_not_drift(service: Service, asked) -> None:
    for who in ({"user_id": 10**9}, {"ratings": [{"movie_id": asked[0]["movie_id"], "rating": 5}]}):
        request = who | {"movie_id": asked[1]["movie_id"]}
        assert scores(service, [request | {"timestamp": asked[0]["timestamp"]}]) == scores(service, [request])


def test_a_list_has_the_scores_of_the_moment_in_the_same_order(service: Service, asked) -> None:
    request = {"user_id": asked[0]["user_id"], "k": 20, "timestamp": asked[0]["timestamp"]}
    timed, plain = ask(service, [request, without(request)])
    assert movies(timed) == movies(plain)
    pairs = [asked[0] | {"movie_id": movie} for movie in movies(timed)]
    listed = [entry["score"] for entry in timed["recommendations"]]
    assert listed == pytest.approx(scores(service, pairs), abs=1e-4)


def test_an_explanation_adds_up_and_has_the_drift_in_it(service: Service, asked, estimator) -> None:
    request = {"user_id": asked[0]["user_id"], "k": 5, "explain": True, "timestamp": asked[0]["timestamp"]}
    timed, plain = (answer["recommendations"] for answer in ask(service, [request, without(request)]))
    row = estimator.train.users.vocabulary.row(request["user_id"])
    drift = estimator.drift.at(np.array([row]), np.array([request["timestamp"]])).item()
    for entry, other in zip(timed, plain, strict=True):
        assert entry["personal"] - other["personal"] == pytest.approx(drift, abs=1e-4)
        assert sum(one["share"] for one in entry["because"]) == pytest.approx(entry["personal"], abs=1e-5)


def test_a_timestamp_that_is_none_is_refused(service: Service, asked) -> None:
    (answer,) = service.answer([json.dumps(asked[0] | {"timestamp": FAR + 1}).encode()])
    assert answer.code == 400
    assert f"timestamp is {FAR + 1}" in json.loads(answer.body)["message"]


@pytest.mark.parametrize("name", DRIFT_ARRAYS)
def test_arrays_of_another_drift_are_refused(name: str, folder: Path) -> None:
    whole = np.load(folder / f"{name}.npy")
    try:
        np.save(folder / f"{name}.npy", whole[:-1])
        with pytest.raises(ArchiveError, match="drift_"):
            load_service(folder)
    finally:
        np.save(folder / f"{name}.npy", whole)
