"""The gateway alone, before a stand-in for TorchServe: what it passes on, and what it does not."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest

from web.settings import Settings

STATIC = Path(__file__).resolve().parents[2] / "web" / "static"
ANSWERABLE = {"/predictions/mf", "/predictions/fm", "/predictions/deepfm", "/ping"}


@pytest.fixture(scope="module")
def before(running: Any, make_stand_in: Any) -> Iterator[tuple[httpx.Client, Any]]:
    """A gateway that believes no card for a moment, and what stands in TorchServe's place behind it."""
    stand_in = make_stand_in(1500)
    settings = Settings(
        torchserve_url="http://torchserve.test", torchserve_token="a-secret", fresh=0, rate="9999/minute"
    )
    with running(settings, httpx.MockTransport(stand_in)) as address, httpx.Client(base_url=address) as client:
        yield client, stand_in


@pytest.fixture
def stand_in(before: tuple[httpx.Client, Any]) -> Any:
    stand_in = before[1]
    stand_in.asked, stand_in.failures = [], []
    return stand_in


@pytest.fixture
def gateway(before: tuple[httpx.Client, Any], stand_in: Any) -> httpx.Client:
    return before[0]


def ask(gateway: httpx.Client, body: Any, model: str = "fm") -> httpx.Response:
    return gateway.post(f"/api/predictions/{model}", json=body)


def raw(gateway: httpx.Client, request: str) -> bytes:
    """The answer to a request that no HTTP library would send."""
    address = gateway.base_url
    with socket.create_connection((address.host, address.port), timeout=5) as connection:
        connection.sendall(request.encode())
        connection.settimeout(5)
        return connection.recv(65536)


# --- what is passed on


def test_a_question_arrives_as_it_was_asked(gateway: httpx.Client, stand_in: Any) -> None:
    question = {"ratings": [{"movie_id": 7, "rating": 4.5}], "k": 3, "genres": ["Drama"], "exclude_seen": False}
    answer = ask(gateway, question)
    assert answer.status_code == 200
    assert len(answer.json()["recommendations"]) == 3
    assert answer.headers["X-Model-Version"] == "1.0"
    assert re.fullmatch(r"model;dur=[\d.]+", answer.headers["Server-Timing"])
    assert stand_in.bodies() == [question]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"user_id": 1, "instances": []}, "instances"),
        ({"catalogue": True}, "catalogue"),
        ({"user_id": 1, "k": 201}, "k"),
        ({"user_id": 1, "k": 0}, "k"),
        ({"user_id": 1.5}, "user_id"),
        ({"user_id": "x" * 201}, "user_id"),
        ({"ratings": [{"movie_id": 1, "stars": 5}]}, "stars"),
        ({"ratings": [{"movie_id": 1, "rating": 1}] * 501}, "ratings"),
        ([], "The request"),
    ],
)
def test_what_a_browser_may_not_ask_goes_no_further(
    gateway: httpx.Client, stand_in: Any, body: Any, named: str
) -> None:
    answer = ask(gateway, body)
    assert answer.status_code == 400
    assert answer.json()["type"] == "InvalidRequest"
    assert named in answer.json()["message"]
    assert stand_in.asked == []


@pytest.mark.parametrize("body", ['{"ratings":[{"movie_id":1,"rating":NaN}]}', "{", "", "\xff"])
def test_what_is_no_json_goes_no_further(gateway: httpx.Client, stand_in: Any, body: str) -> None:
    headers = {"Content-Type": "application/json"}
    answer = gateway.post("/api/predictions/fm", content=body.encode("latin-1"), headers=headers)
    assert answer.status_code == 400
    assert stand_in.asked == []


def test_the_token_is_sent_and_never_shown(gateway: httpx.Client, stand_in: Any) -> None:
    answers = [gateway.get("/"), gateway.get("/health"), gateway.get("/api/models"), ask(gateway, {"user_id": 1})]
    assert {one.headers["Authorization"] for one in stand_in.asked} == {"Bearer a-secret"}
    assert not any("a-secret" in f"{one.headers}{one.text}" for one in answers)


def test_a_key_that_torchserve_drew_anew_is_read_again(running: Any, stand_in: Any, tmp_path: Path) -> None:
    key_file = tmp_path / "key_file.json"
    settings = Settings(torchserve_url="http://torchserve.test", torchserve_key_file=key_file, rate="9999/minute")

    def draw(key: str) -> None:
        key_file.write_text(json.dumps({"management": {"key": "m"}, "inference": {"key": key}, "API": {"key": "a"}}))

    def refused() -> httpx.Response:
        return httpx.Response(400, json={"code": 400, "type": "InvalidKeyException", "message": "Token Authentication"})

    def answer(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers.get("Authorization", "").removeprefix("Bearer "))
        return stand_in(request)

    keys: list[str] = []
    with running(settings, httpx.MockTransport(answer)) as address, httpx.Client(base_url=address) as client:
        draw("first")  # the gateway may start before TorchServe
        stand_in.failures = [refused()]
        assert ask(client, {"user_id": 1}).status_code == 200
        draw("second")
        stand_in.failures = [refused()]
        assert ask(client, {"user_id": 1}).status_code == 200
        stand_in.failures = [refused()]  # the same key is in the file still
        assert ask(client, {"user_id": 1}).status_code == 502
    assert keys == ["", "first", "first", "second", "second"]


def test_a_card_holds_only_what_a_browser_may_know(gateway: httpx.Client) -> None:
    cards = gateway.get("/api/models").json()["models"]
    assert [card["name"] for card in cards] == ["mf", "fm", "deepfm"]
    assert cards[1]["metrics"]["test"]["rmse"] == 0.9
    assert not {"limits", "some_users"} & cards[1].keys()


# --- no open proxy, no management port

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


# --- limits and headers


def test_a_large_body_is_refused(gateway: httpx.Client, stand_in: Any) -> None:
    large = b" " * (64 * 1024 + 1)
    assert gateway.post("/api/predictions/fm", content=large).status_code == 413
    announced_by_nobody = gateway.post("/api/predictions/fm", content=iter([large]))
    assert announced_by_nobody.status_code == 413
    assert stand_in.asked == []


def test_too_many_requests_are_refused_and_the_page_is_not(running: Any, stand_in: Any) -> None:
    settings = Settings(rate="5/minute")
    with running(settings, httpx.MockTransport(stand_in)) as address, httpx.Client(base_url=address) as client:
        codes = [client.get("/api/search/fm?q=film").status_code for _ in range(7)]
        assert codes == [200] * 5 + [429] * 2
        refused = client.get("/api/models")
        assert refused.json()["type"] == "TooManyRequests"
        assert refused.headers["Retry-After"]
        assert client.get("/").status_code == client.get("/static/app.js").status_code == 200


@pytest.mark.parametrize("path", ["/", "/map", "/static/app.js", "/api/models", "/nowhere", "/api/predictions/fm"])
def test_every_answer_has_the_security_headers(gateway: httpx.Client, path: str) -> None:
    headers = gateway.get(path).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"https?:|\*", policy)
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert "server" not in headers


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


# --- when TorchServe has trouble


def test_a_passing_failure_is_not_seen(gateway: httpx.Client, stand_in: Any) -> None:
    stand_in.failures = [httpx.Response(503), httpx.RemoteProtocolError("closed")]
    assert ask(gateway, {"user_id": 1}).status_code == 200
    assert len(stand_in.asked) == 3


@pytest.mark.parametrize(
    ("failure", "tries", "status", "kind"),
    [
        (lambda: httpx.ConnectError("refused"), 3, 503, "ServerDown"),
        (lambda: httpx.Response(503, json={"type": "ServiceUnavailableException"}), 3, 503, "ServerBusy"),
        (lambda: httpx.Response(507, json={"type": "InternalServerException"}), 3, 503, "ServerBusy"),
        (lambda: httpx.Response(400, json={"type": "InvalidKeyException"}), 1, 502, "ServerFault"),
        (lambda: httpx.ReadTimeout("slow"), 1, 504, "ServerSlow"),
        (lambda: httpx.Response(500, text="Traceback: /home/someone"), 3, 502, "ServerFault"),
        (lambda: httpx.Response(404, json={"type": "ModelNotFoundException"}), 1, 404, "ModelNotRegistered"),
        (lambda: httpx.Response(404, json={"type": "UnknownId", "message": "no 5"}), 1, 404, "UnknownId"),
    ],
)
def test_a_lasting_failure_has_a_name(
    gateway: httpx.Client, stand_in: Any, failure: Callable[[], Any], tries: int, status: int, kind: str
) -> None:
    stand_in.failures = [failure() for _ in range(5)]
    answer = ask(gateway, {"user_id": 1})
    assert answer.status_code == status
    assert answer.json()["type"] == kind
    assert "Traceback" not in answer.text
    assert len(stand_in.asked) == tries


def test_a_card_that_is_missing_hides_no_other(gateway: httpx.Client, stand_in: Any) -> None:
    stand_in.failures = [httpx.Response(404, json={"type": "ModelNotFoundException"})]
    cards = gateway.get("/api/models").json()["models"]
    assert sorted("error" in card for card in cards) == [False, False, True]


def test_health_tells_the_gateway_from_torchserve(gateway: httpx.Client, stand_in: Any) -> None:
    assert gateway.get("/health").json() == {"status": "ok", "torchserve": "up"}
    stand_in.failures = [httpx.ConnectError("refused")]
    assert gateway.get("/health").json() == {"status": "ok", "torchserve": "down"}


# --- the catalogue


def test_the_catalogue_is_whole_and_is_fetched_once(running: Any, stand_in: Any) -> None:
    with running(Settings(), httpx.MockTransport(stand_in)) as address, httpx.Client(base_url=address) as client:
        first = client.get("/api/movies/fm")
        assert first.json()["movies"] == stand_in.movies
        asked = len(stand_in.asked)
        again = client.get("/api/movies/fm", headers={"If-None-Match": first.headers["ETag"]})
        assert again.status_code == 304
        assert len(stand_in.asked) == asked


def test_titles_are_found_while_torchserve_is_away(gateway: httpx.Client, stand_in: Any) -> None:
    gateway.get("/api/movies/fm")
    stand_in.failures = [httpx.ConnectError("refused")] * 99
    assert gateway.get("/api/search/fm?q=film 77").json()["movies"][0]["title"] == "Film 77"


def test_a_random_user_is_one_that_the_archive_names(gateway: httpx.Client) -> None:
    drawn = {gateway.get("/api/users/fm/random").json()["user_id"] for _ in range(40)}
    assert drawn == {3, 5, 8}


def test_a_random_user_of_an_archive_that_names_none(running: Any, make_stand_in: Any) -> None:
    stand_in = make_stand_in(3)
    card = {name: value for name, value in stand_in.card().items() if name != "some_users"}
    stand_in.card = lambda: card
    with running(Settings(), httpx.MockTransport(stand_in)) as address:
        answer = httpx.get(f"{address}/api/users/fm/random")
    assert (answer.status_code, answer.json()["type"]) == (404, "NoUser")
    assert "Type an id" in answer.json()["message"]


def test_a_new_archive_brings_a_new_catalogue(gateway: httpx.Client, stand_in: Any) -> None:
    assert len(gateway.get("/api/movies/mf").json()["movies"]) == 1500
    whole = stand_in.movies
    stand_in.sha256, stand_in.movies = "second", whole[:3]
    assert len(gateway.get("/api/movies/mf").json()["movies"]) == 3
    stand_in.sha256, stand_in.movies = "first", whole


def test_starts_from_the_command_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "web", "--port", str(port)]
    with subprocess.Popen(command, cwd=STATIC.parents[1], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert f"http://127.0.0.1:{port}" in process.stdout.readline()
        transport = httpx.HTTPTransport(retries=7)
        with httpx.Client(transport=transport, base_url=f"http://127.0.0.1:{port}") as client:
            assert client.get("/health").json()["status"] == "ok"
        process.terminate()
        assert process.wait(10) in (0, -signal.SIGTERM)


def test_settings_come_from_the_environment() -> None:
    settings = Settings.from_environment({"TORCHSERVE_URL": "http://ts:8080", "MODELS": "fm, mf", "MAX_BODY": "100"})
    assert settings == Settings(torchserve_url="http://ts:8080", models=("fm", "mf"), max_body=100)
