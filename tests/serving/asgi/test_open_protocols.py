"""The Open Inference Protocol v2, by what its specification requires of each body, and SageMaker's paths."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
import requests

from tests.conftest import MODELS, Client

TEXT, NUMBERS = {"type": "string"}, {"type": "array", "items": {"type": "integer"}}
TENSOR = {
    "type": "object",
    "properties": {"name": TEXT, "datatype": TEXT, "shape": NUMBERS, "data": {"type": "array"}},
    "required": ["name", "datatype", "shape"],
}
# What the specification requires, in the words of JSON Schema.
SERVER = {
    "type": "object",
    "properties": {"name": TEXT, "version": TEXT, "extensions": {"type": "array", "items": TEXT}},
    "required": ["name", "version", "extensions"],
}
MODEL = {
    "type": "object",
    "properties": {
        "name": TEXT,
        "platform": TEXT,
        "versions": {"type": "array", "items": TEXT},
        "inputs": {"type": "array", "items": TENSOR},
        "outputs": {"type": "array", "items": TENSOR},
    },
    "required": ["name", "platform"],
}
RESPONSE = {
    "type": "object",
    "properties": {
        "model_name": TEXT,
        "model_version": TEXT,
        "id": TEXT,
        "outputs": {"type": "array", "items": TENSOR | {"required": ["name", "datatype", "shape", "data"]}},
    },
    "required": ["model_name", "outputs"],
}
ERROR = {"type": "object", "properties": {"error": TEXT}, "required": ["error"], "additionalProperties": False}


def tensor(name: str, datatype: str, data: list[Any], shape: list[int] | None = None) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape or [len(data)], "data": data}


@pytest.fixture
def v2(client: Client) -> str:
    return f"{client.server.inference}/v2"


def infer(v2: str, body: Any, model: str = "fm", code: int = 200) -> dict[str, Any]:
    response = requests.post(f"{v2}/models/{model}/infer", json=body, timeout=30)
    assert response.status_code == code, response.text
    jsonschema.validate(response.json(), RESPONSE if code == 200 else ERROR)
    return response.json()


def outputs(response: dict[str, Any]) -> dict[str, Any]:
    return {one["name"]: one["data"] for one in response["outputs"]}


def test_health_and_metadata(v2: str) -> None:
    for path in ("health/live", "health/ready", "models/fm/ready", "models/fm/versions/1.0/ready"):
        assert requests.get(f"{v2}/{path}", timeout=30).status_code == 200
    for path in ("", "/"):
        jsonschema.validate(requests.get(v2 + path, timeout=30).json(), SERVER)
    for path in ("models/fm", "models/fm/versions/1.0"):
        said = requests.get(f"{v2}/{path}", timeout=30).json()
        jsonschema.validate(said, MODEL)
        assert (said["name"], said["versions"]) == ("fm", ["1.0"])
        assert said["inputs"][0] == {"name": "user_id", "datatype": "INT64", "shape": [-1]}
    for path in ("models/none", "models/fm/versions/9.9", "models/none/ready", "nothing"):
        response = requests.get(f"{v2}/{path}", timeout=30)
        assert response.status_code == 404
        jsonschema.validate(response.json(), ERROR)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("datatype", ["INT64", "BYTES"])
def test_pairs_get_the_scores_of_the_contract(client: Client, v2: str, model: str, datatype: str) -> None:
    users, movies = [11, 13, 10**9], [103, 101, 103]
    instances = [{"user_id": user, "movie_id": movie} for user, movie in zip(users, movies)]
    expected = client.ask(model, {"instances": instances})["predictions"]
    kind = str if datatype == "BYTES" else int
    sides = {"user_id": list(map(kind, users)), "movie_id": list(map(kind, movies))}
    body = {"id": "42", "inputs": [tensor(name, datatype, data) for name, data in sides.items()]}
    answer = infer(v2, body, model)
    assert (answer["id"], answer["model_name"], answer["model_version"]) == ("42", model, "1.0")
    assert outputs(answer) == {
        "score": [one["score"] for one in expected],
        "unknown": ["unknown" in one for one in expected],
    }
    nested = [tensor(name, datatype, [[one] for one in data], [3, 1]) for name, data in sides.items()]
    assert outputs(infer(v2, {"inputs": nested, "outputs": [{"name": "score"}]}, f"{model}/versions/1.0")) == {
        "score": [one["score"] for one in expected]
    }


def test_item_id_is_another_name_of_movie_id(v2: str) -> None:
    users, movies = tensor("user_id", "INT64", [11, 13]), {"datatype": "INT64", "shape": [2], "data": [103, 101]}
    answers = [infer(v2, {"inputs": [users, movies | {"name": name}]}) for name in ("movie_id", "item_id")]
    assert answers[0] == answers[1]


def test_an_integer_may_be_written_as_a_decimal(v2: str) -> None:
    movies = tensor("movie_id", "INT64", [103, 101])
    users = [tensor("user_id", "INT64", [11, 13]), tensor("user_id", "INT64", [11.0, 1.3e1], [2.0])]
    answers = [infer(v2, {"inputs": [given, movies]}) for given in users]
    assert answers[0] == answers[1]


def test_null_is_as_good_as_nothing(v2: str) -> None:
    body = {"inputs": [USER]}
    assert infer(v2, body | {"id": None, "parameters": None, "outputs": None}) == infer(v2, body)


def test_users_alone_get_lists(client: Client, v2: str) -> None:
    expected = [client.ask("fm", {"user_id": user, "k": 4})["recommendations"] for user in (11, 13)]
    answer, decimal = (
        infer(v2, {"inputs": [tensor("user_id", "INT64", [11, 13])], "parameters": {"k": k}}) for k in (4, 4.0)
    )
    assert answer == decimal
    assert [one["shape"] for one in answer["outputs"]] == [[2, 4], [2, 4]]
    assert outputs(answer)["movie_id"] == [entry["movie_id"] for entries in expected for entry in entries]


def test_any_request_of_the_contract_is_a_tensor_of_bytes(client: Client, v2: str) -> None:
    asked = [{"movie_id": 103, "k": 2}, {"user_id": 11, "k": 0}, {"ratings": [{"movie_id": 103, "rating": 5}], "k": 3}]
    expected = client.ask("fm", {"instances": asked})["predictions"]
    answer = infer(v2, {"inputs": [tensor("request", "BYTES", list(map(json.dumps, asked)))]})
    assert [json.loads(one) for one in outputs(answer)["answer"]] == expected


USER = tensor("user_id", "INT64", [11])


@pytest.mark.parametrize(
    ("body", "code", "says"),
    [
        ([], 400, "no inference request"),
        ({}, 400, "inputs"),
        ({"inputs": []}, 400, "inputs are nothing: give user_id and movie_id"),
        ({"inputs": [USER, USER]}, 400, "inputs are user_id, user_id"),
        ({"inputs": [tensor("users", "INT64", [1])]}, 400, "inputs are users"),
        ({"inputs": [tensor("user_id", "FP32", [1.5])]}, 400, "'FP32': give BYTES or INT64"),
        ({"inputs": [tensor("user_id", "INT64", ["11"])]}, 400, "'11' among its data: its datatype is INT64"),
        ({"inputs": [tensor("user_id", "INT64", [True])]}, 400, "True among its data"),
        ({"inputs": [tensor("user_id", "INT64", [1.5])]}, 400, "1.5 among its data"),
        ({"inputs": [tensor("user_id", "INT64", [2.0**54])]}, 400, "among its data"),
        ({"inputs": [tensor("user_id", "INT64", [None])]}, 400, "None among its data"),
        ({"inputs": [tensor("user_id", "INT64", [[[1]]], [1])]}, 400, "[1] among its data"),
        ({"inputs": [tensor("user_id", "INT64", [1, 2], [3])]}, 400, "shape [3] and 2 values"),
        ({"inputs": [tensor("user_id", "INT64", [1], [1.5])]}, 400, "shape [1.5] and 1 values"),
        ({"inputs": [tensor("user_id", "INT64", [1, 2], [2, 2])]}, 400, "give [N] or [N, 1]"),
        ({"inputs": [USER, tensor("movie_id", "INT64", [1, 2])]}, 400, "user_id has 1 ids and movie_id 2"),
        ({"inputs": [USER], "parameters": {"k": "many"}}, 400, "row 0: k is"),
        ({"inputs": [USER], "outputs": [{"name": "logit"}]}, 400, "'logit': these inputs have movie_id, score"),
        ({"inputs": [tensor("request", "INT64", [1])]}, 400, "request has the datatype 'INT64': give BYTES"),
        ({"inputs": [tensor("request", "BYTES", ["{"])]}, 400, "no JSON object"),
        ({"inputs": [tensor("request", "BYTES", ['{"user_id": 11}, {"user_id": 13}'])]}, 400, "no JSON object"),
        ({"inputs": [tensor("user_id", "INT64", list(range(1001)))]}, 413, "send at most 1000 at once"),
    ],
)
def test_what_is_wrong_is_named(v2: str, body: Any, code: int, says: str) -> None:
    assert says in infer(v2, body, code=code)["error"]


def test_inference_takes_post(v2: str) -> None:
    response = requests.get(f"{v2}/models/fm/infer", timeout=30)
    assert (response.status_code, response.json()) == (405, {"error": "infer takes POST, and not GET"})


def test_a_compressed_body_is_refused_by_its_name(client: Client) -> None:
    headers = {"Content-Encoding": "gzip"}
    for path in ("predictions/fm", "v2/models/fm/infer"):
        response = requests.post(f"{client.server.inference}/{path}", data=b"x", headers=headers, timeout=30)
        assert response.status_code == 400
        assert "the body's encoding is 'gzip': send it as it is" in response.text


def test_binary_tensors_are_refused_by_their_name(v2: str) -> None:
    headers = {"Inference-Header-Content-Length": "10"}
    response = requests.post(f"{v2}/models/fm/infer", data=b"x" * 20, headers=headers, timeout=30)
    assert response.status_code == 400
    assert "binary_data=False" in response.json()["error"]


def test_sagemaker_asks_for_health_and_invokes_a_model(client: Client) -> None:
    address, body = client.server.inference, {"user_id": 11, "movie_id": 103}
    assert requests.get(f"{address}/ping", timeout=30).status_code == 200
    refused = requests.post(f"{address}/invocations", json=body, timeout=30)
    assert refused.status_code == 400
    assert "CustomAttributes of InvokeEndpoint), as in model=fm: there are deepfm, fm, mf" in refused.json()["message"]
    for attributes in ("model=fm", "trace=7, model=fm"):
        headers = {"X-Amzn-SageMaker-Custom-Attributes": attributes}
        response = requests.post(f"{address}/invocations", json=body, headers=headers, timeout=30)
        assert response.json() == client.ask("fm", body)
