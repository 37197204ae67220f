"""The OpenAPI document: up to date, valid, in step with the contract, and true of a real server."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import msgspec
import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV31SpecValidator

from handlers.recommender.api.errors import RequestError
from handlers.recommender.api.requests import FIELDS, Request, kind_of
from tests.conftest import Client
from tools.examples import examples
from tools.openapi import KINDS, PATH, document, text

DOCUMENT = document()


def validator(schema: str, document: dict[str, Any] = DOCUMENT) -> jsonschema.Draft202012Validator:
    reference = {"$ref": f"#/components/schemas/{schema}"}
    return jsonschema.Draft202012Validator(reference | {"components": document["components"]})


REQUEST = DOCUMENT["components"]["requestBodies"]["Request"]["content"]["application/json"]["schema"]
IS_REQUEST = jsonschema.Draft202012Validator(REQUEST | {"components": DOCUMENT["components"]})


def closed(schema: Any) -> Any:
    """The same schema, refusing what it does not name: an answer has no field that the document is silent about."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {name: closed(one) for name, one in schema.items()}
    return inner | ({"additionalProperties": False} if "required" in inner and "properties" in inner else {})


def shape(value: Any) -> Any:
    """A value with types in the place of its scalars, and each list as the set of its entries' shapes."""
    if isinstance(value, dict):
        return frozenset((name, shape(one)) for name, one in value.items())
    if isinstance(value, list):
        return frozenset(map(shape, value))
    return float if isinstance(value, int | float) and not isinstance(value, bool) else type(value)


@pytest.fixture(scope="module")
def asked(planted) -> dict[str, Any]:
    """The examples, about a user and movies of the planted log; the document's are of MovieLens 100K."""
    log = planted.log
    counts = log.ratings["movie_id"].value_counts()
    comedies = log.movies["movie_id"][log.movies["genres"].str.contains("Comedy")]
    user = int(log.ratings["user_id"].value_counts().index[0])
    other = int(counts[counts.index.isin(comedies)].index[0])
    movie = next(int(one) for one in counts.index if one != other)
    return examples(user, movie, other)


def test_the_document_is_up_to_date() -> None:
    assert PATH.read_text() == text(), "run python -m tools.openapi"


def test_the_document_is_valid() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_the_document_has_every_kind_of_request() -> None:
    assert set(KINDS) == set(FIELDS)


VALUES: dict[str, Any] = {
    "user_id": 196,
    "ratings": [{"movie_id": 50, "rating": 5}],
    "user": {"age": 25},
    "movie_id": "242",
    "movie": {"genres": ["Comedy"]},
    "item_id": 242,
    "item": {"genres": ["Comedy"]},
    "timestamp": 880_000_000,
    "k": 3,
    "offset": 2,
    "exclude_seen": False,
    "exclude": [1],
    "candidates": [],
    "genres": ["Comedy"],
    "where": {"year": {"min": 1990}, "genres": ["Comedy"]},
    "diversity": 0.5,
    "popularity_damping": 0.2,
    "explore": 0.5,
    "seed": 3,
    "recent_days": 7,
    "newest": True,
    "history": True,
    "catalogue": True,
    "explain": True,
    "on_unknown": "error",
}


@settings(max_examples=500, deadline=None)
@given(st.sets(st.sampled_from(Request.__struct_fields__), max_size=7))
def test_the_document_and_the_contract_take_the_same_requests(names: set[str]) -> None:
    request = {name: VALUES[name] for name in names}
    try:
        kind = kind_of(msgspec.convert(request, Request))
    except RequestError:
        kind = None
    valid = [one for one in KINDS if validator(f"{one.capitalize()}Request").is_valid(request)]
    assert valid == ([kind] if kind else [])


@pytest.mark.parametrize("name", examples())
def test_examples_are_valid(name: str) -> None:
    one = examples()[name]
    if one.status == 200:
        IS_REQUEST.validate(one.request)
    _matches_the_document(one.status, one.answer)


@pytest.mark.parametrize("model", ["fm", "deepfm"])
@pytest.mark.parametrize("name", examples())
def test_examples_are_answered_as_they_say(client: Client, asked: dict[str, Any], model: str, name: str) -> None:
    one = asked[name]
    for path in (model, f"{model}/1.0"):
        response = client.post(path, one.request)
        assert response.status_code == one.status, response.text
        assert response.headers["Content-Type"] == "application/json"
        assert response.headers["X-Model-Version"] == "1.0"
        _matches_the_document(response.status_code, response.json())
        if one.status == 200:
            assert shape(response.json()) == shape(one.answer)
        else:
            assert response.json() == one.answer


def test_form_examples_are_answered_like_the_others(client: Client, asked: dict[str, Any]) -> None:
    body = DOCUMENT["components"]["requestBodies"]["Request"]["content"]
    for name in body["application/x-www-form-urlencoded"]["examples"]:
        form = {field: str(value).lower() for field, value in asked[name].request.items()}
        response = requests.post(f"{client.server.inference}/predictions/fm", data=form, timeout=30)
        assert response.json() == client.ask("fm", asked[name].request)


@pytest.mark.parametrize("path", ["nothing", "fm/9.9"])
def test_what_torchserve_refuses_is_an_error_too(client: Client, path: str) -> None:
    response = client.post(path, {"user_id": 1})
    assert response.status_code == 404
    assert "X-Model-Version" not in response.headers
    _matches_the_document(404, response.json())
    assert response.json()["type"] in DOCUMENT["components"]["responses"]["404"]["description"]


def _matches_the_document(status: int, answer: Any) -> None:
    document = closed(json.loads(text()))
    schema = document["components"]["responses"][str(status)]["content"]["application/json"]["schema"]
    jsonschema.Draft202012Validator(schema | {"components": document["components"]}).validate(answer)
