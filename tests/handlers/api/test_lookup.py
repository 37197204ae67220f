"""Side features that a request gives, looked up in a model."""

from __future__ import annotations

import json

import pytest


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"movie": {"genres": 5}, "user_id": 11}, "movie.genres is 5"),
        ({"movie": {"genres": 1.5}, "user_id": 11}, "movie.genres is 1.5"),
        ({"user": {"age": 10**400}, "movie_id": 103}, "user.age is 1000"),
        ({"user": {"age": []}, "movie_id": 103}, "user.age is []"),
    ],
)
def test_a_side_feature_of_another_kind_is_an_error_of_its_own_request(services, given, named) -> None:
    good = b'{"user_id": 11, "k": 3}'
    wrong, right = services["fm"].answer([json.dumps(given).encode(), good])
    assert (wrong.code, right.code) == (400, 200)
    assert named in json.loads(wrong.body)["message"]


@pytest.mark.parametrize(
    ("model", "given", "known"),
    [
        ("fm", {"user": {"shoe_size": 43}}, "of a user gender, age, occupation; of a movie genres, year"),
        ("of likes", {"user": {"gender": "F"}}, "it knows of a user none; of a movie genres, year"),
        ("of likes", {"movie": {"colour": "red"}}, "it knows of a user none; of a movie genres, year"),
        ("mf", {"movie": {"genres": "Comedy"}}, "it uses ids only"),
    ],
)
def test_features_that_are_known_are_named_by_side(services, of_likes, model: str, given, known: str) -> None:
    service = of_likes if model == "of likes" else services[model]
    (answer,) = service.answer([json.dumps(given).encode()])
    assert answer.code == 400
    message = json.loads(answer.body)["message"]
    assert "is not a side feature of this model" in message
    assert message.endswith(known)


def test_k_beyond_the_catalogue_is_cut(services, planted) -> None:
    (answer,) = services["mf"].answer([b'{"user_id": "nobody", "k": 100000000000000000000}'])
    assert len(json.loads(answer.body)["recommendations"]) == len(planted.log.movies)


def test_a_user_who_has_seen_everything_gets_an_empty_list(answer, planted) -> None:
    ratings = [{"movie_id": one, "rating": 3} for one in planted.log.movies["movie_id"].tolist()]
    (body,) = answer("fm", [{"ratings": ratings}])
    assert json.loads(body.body) == {"recommendations": []}
