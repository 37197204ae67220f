"""What the application answers besides predictions of JSON."""

from __future__ import annotations

import requests

from serving.management import Management
from tests.conftest import Client


def test_the_pages_question_for_the_description_is_answered_on_the_inference_port(client: Client) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded", "describe": "True"}
    response = requests.post(f"{client.server.inference}/predictions/fm", data=b"", headers=headers, timeout=30)
    assert response.headers["X-Model-Version"] == "1.0"
    assert response.json() == Management(client.server.management).about("fm", "1.0")
    with_a_body = client.post("fm", {"user_id": 11, "movie_id": 103}, describe="True")
    assert with_a_body.json()["user_id"] == 11


def test_the_management_api_is_not_on_the_inference_port(client: Client) -> None:
    for path in ("models", "models/fm", "metrics"):
        response = requests.get(f"{client.server.inference}/{path}", timeout=30)
        assert response.status_code == 404
        assert response.json().keys() == {"code", "type", "message"}


def test_the_address_of_the_metrics_manages_nothing(client: Client) -> None:
    address = client.server.settings["metrics_address"]
    assert requests.get(f"{address}/metrics", timeout=30).status_code == 200
    for method, path in (
        ("GET", "models"),
        ("POST", "models?url=fm-1.0.mar"),
        ("DELETE", "models/fm/1.0"),
        ("GET", ""),
    ):
        assert requests.request(method, f"{address}/{path}", timeout=30).status_code == 404
    assert client.post("fm", {"user_id": 11, "movie_id": 103}).status_code == 200


def test_a_client_that_sends_ten_megabytes_before_it_reads_is_told_that_they_are_too_many(client: Client) -> None:
    for path in ("predictions/fm", "v2/models/fm/infer"):
        response = requests.post(f"{client.server.inference}/{path}", data=b" " * 10_000_000, timeout=30)
        assert response.status_code == 413


def test_the_escapes_of_a_path_are_read_once(client: Client) -> None:
    for path, code in (("%66m", 200), ("fm/1%2E0", 200), ("%2566m", 404)):
        assert client.post(path, {"user_id": 11, "movie_id": 103}).status_code == code


def test_paths_that_the_management_api_does_not_have(client: Client) -> None:
    address = client.server.management
    for method, path, code in (
        ("GET", "models/none", 404),
        ("GET", "models/fm/9.9", 404),
        ("GET", "elsewhere", 404),
        ("PUT", "models/fm", 405),
        ("DELETE", "models/none/1.0", 404),
        ("POST", "models?url=/etc&model_name=fm", 400),
        ("POST", "models?url=%ff", 400),
    ):
        response = requests.request(method, f"{address}/{path}", timeout=30)
        assert response.status_code == code
        assert response.json()["code"] == code
