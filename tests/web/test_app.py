"""The gateway's routes, before a stand-in for TorchServe: what is passed on, and what is not."""

from __future__ import annotations

import re
import socket
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest

from serving.config import MODELS
from tests.web.conftest import PATIENCE, ask, asking
from web.app import STATIC, VIEWS
from web.settings import Settings

ANSWERABLE = {"/ping", *(f"/predictions/{model}" for model in MODELS)}


def raw(gateway: httpx.Client, request: str) -> bytes:
    """The answer to a request that no HTTP library would send."""
    address = gateway.base_url
    with socket.create_connection((address.host, address.port), timeout=PATIENCE) as connection:
        connection.sendall(request.encode())
        return connection.recv(65536)


def test_a_question_arrives_as_it_was_asked(gateway: httpx.Client, stand_in: Any) -> None:
    question = {
        "ratings": [{"movie_id": 7, "rating": 4.5}],
        "k": 3,
        "genres": ["Drama"],
        "exclude_seen": False,
        "diversity": 0.5,
    }
    answer = ask(gateway, question)
    assert answer.status_code == 200
    assert len(answer.json()["recommendations"]) == 3
    assert answer.headers["X-Model-Version"] == "1.0"
    assert re.fullmatch(r"model;dur=[\d.]+", answer.headers["Server-Timing"])
    assert stand_in.bodies() == [question]


ELSEWHERE = [
    "/models",
    "/models/fm",
    "/metrics",
    "/predictions/fm",
    "/api/models/fm",
    "/api/movies/..%2f..%2fmodels",
    "/api/movies/%2e%2e/models",
    "/api/movies/../../models",
    "/api/search/http:%2f%2f127.0.0.1:8081%2fmodels?q=a",
    "/static/../app.py",
    "/static/..%2fapp.py",
    "/docs",
    "/openapi.json",
    "//evil.test/models",
    "http://evil.test/models",
    "http://127.0.0.1:8081/models",
]


@pytest.mark.parametrize("path", ["", *(view["route"] for view in VIEWS)])
def test_each_view_has_the_page_at_its_route(gateway: httpx.Client, path: str) -> None:
    assert gateway.get(f"/{path}").content == (STATIC / "index.html").read_bytes()


@pytest.mark.parametrize("target", ELSEWHERE)
def test_leads_nowhere_else(gateway: httpx.Client, stand_in: Any, target: str) -> None:
    for method in ("GET", "POST", "DELETE", "PUT"):
        headers = "Host: x\r\nContent-Length: 0\r\nConnection: close"
        answer = raw(gateway, f"{method} {target} HTTP/1.1\r\n{headers}\r\n\r\n")
        assert answer.split(b" ")[1] in (b"400", b"404", b"405"), answer
    assert stand_in.asked == []


def test_opens_no_tunnel(gateway: httpx.Client, stand_in: Any) -> None:
    answer = raw(gateway, "CONNECT 127.0.0.1:8081 HTTP/1.1\r\nHost: 127.0.0.1:8081\r\n\r\n")
    assert answer.split(b" ")[1] in (b"400", b"404", b"405")
    assert stand_in.asked == []


@pytest.mark.parametrize("model", ["nothing", "fm/2.0", "..", "%2e%2e%2fmodels", "fm?x=1#"])
def test_asks_only_the_models_it_was_told(gateway: httpx.Client, stand_in: Any, model: str) -> None:
    gateway.post(f"/api/predictions/{model}", json={"user_id": 1})
    assert {one.url.path for one in stand_in.asked} <= ANSWERABLE


def test_everything_together_asks_only_for_predictions(gateway: httpx.Client, stand_in: Any) -> None:
    for path in ("/health", "/api/models", "/api/movies/fm", "/api/search/mf?q=film", "/api/users/fm/random"):
        assert gateway.get(path).status_code == 200, path
    assert {one.url.path for one in stand_in.asked} <= ANSWERABLE
    assert {one.url.host for one in stand_in.asked} == {"torchserve.test"}


@pytest.mark.parametrize("path", ["/api/predictions/fm", "/api/feedback", "/api/visitors"])
def test_a_large_body_is_refused(gateway: httpx.Client, stand_in: Any, path: str) -> None:
    large = b" " * (64 * 1024 + 1)
    for content in (large, iter([large])):  # its length is announced, or it is not
        answer = gateway.post(path, content=content, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["type"]) == (413, "TooLarge")
        assert "Content-Security-Policy" in answer.headers
    assert stand_in.asked == []


def test_a_large_body_is_not_asked_for(gateway: httpx.Client) -> None:
    head = "Host: x\r\nContent-Length: 65537\r\nExpect: 100-continue\r\nConnection: close"
    answer = raw(gateway, f"POST /api/predictions/fm HTTP/1.1\r\n{head}\r\n\r\n")
    assert answer.split(b" ")[1] == b"413"


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT"])
def test_predictions_say_which_method_they_take(gateway: httpx.Client, method: str) -> None:
    answer = gateway.request(method, "/api/predictions/fm")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")


def test_predictions_are_found_with_a_slash_at_the_end(gateway: httpx.Client) -> None:
    answer = gateway.post("/api/predictions/fm/", json={"user_id": 1}, follow_redirects=True)
    assert answer.status_code == 200


def test_the_page_has_nothing_inline_and_asks_no_other_host() -> None:
    class Page(HTMLParser):
        def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
            given = dict(attributes)
            assert tag != "style"
            assert tag != "script" or given["src"].startswith("/static/")
            assert "style" not in given
            assert not any(name.startswith("on") for name in given)

    Page().feed((STATIC / "index.html").read_text())
    for file in STATIC.rglob("*"):
        if file.is_file():
            hosts = set(re.findall(r"//([\w.-]+\.\w+)", file.read_text())) - {"www.w3.org"}  # the SVG namespace
            assert not hosts, file


def test_the_whole_page_is_small() -> None:
    assert sum(file.stat().st_size for file in STATIC.rglob("*") if file.is_file()) < 150_000


def test_a_card_that_is_missing_hides_no_other(gateway: httpx.Client, stand_in: Any) -> None:
    stand_in.failures = [httpx.Response(404, json={"type": "ModelNotFoundException"})]
    cards = gateway.get("/api/models").json()["models"]
    assert sorted("error" in card for card in cards) == [False, False, True]


def test_health_tells_the_gateway_from_torchserve(gateway: httpx.Client, stand_in: Any) -> None:
    assert gateway.get("/health").json() == {"status": "ok", "torchserve": "up"}
    stand_in.failures = [httpx.ConnectError("refused")]
    assert gateway.get("/health").json() == {"status": "ok", "torchserve": "down"}


def test_a_random_user_is_one_that_the_archive_names(gateway: httpx.Client) -> None:
    drawn = {gateway.get("/api/users/fm/random").json()["user_id"] for _ in range(40)}
    assert drawn == {3, 5, 8}


def test_a_random_user_of_an_archive_that_names_none(running: Any, make_stand_in: Any) -> None:
    stand_in = make_stand_in(3)
    card = {name: value for name, value in stand_in.card().items() if name != "some_users"}
    stand_in.card = lambda: card
    with running(Settings(), httpx.MockTransport(stand_in)) as address, asking(address) as client:
        answer = client.get("/api/users/fm/random")
    assert (answer.status_code, answer.json()["type"]) == (404, "NoUser")
    assert "Type an id" in answer.json()["message"]
