"""The gateway on a free port, before the real TorchServe or before a stand-in for it."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from playwright.sync_api import Browser, sync_playwright

from feedback import reader
from handlers.recommender.api.limits import Limits
from handlers.recommender.api.service import Service
from handlers.recommender.loading import load_service
from tests.web.mocked import Mocked
from web import connections
from web.app import create_app
from web.settings import Settings

# No sandbox, because containers run as root; the rest keeps the browser from asking anybody but the page's own host.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Seconds that a test waits for what happens soon, if at all: the machines of CI are slow, and do much at once.
PATIENCE = 60
# What a gateway refuses or leaves out because it takes long, or because much is asked at once: nothing, here.
GENEROUS = {"timeout": float(PATIENCE), "rate": "99999/minute"}
MARKUP = '<img src="x" onerror="document.title = 1"> & <b>Bold</b>'


def movie(movie_id: int, title: str, ratings: int = 10, **more: Any) -> dict[str, Any]:
    entry = {"movie_id": movie_id, "title": title, "year": 1990, "genres": ["Drama"], "ratings": ratings}
    return entry | {"x": (movie_id * 37 % 200 - 100) / 100, "y": (movie_id * 91 % 200 - 100) / 100} | more


@dataclass
class StandIn:
    """In TorchServe's place: answers as the contract has it, and keeps what it was asked.

    ``failures`` are answered (or raised) first, one a request.
    """

    movies: list[dict[str, Any]]
    sha256: str = "first"
    failures: list[httpx.Response | Exception] = field(default_factory=list)
    asked: list[httpx.Request] = field(default_factory=list)

    def bodies(self) -> list[dict[str, Any]]:
        """The questions of the contract, of all that was asked."""
        return [json.loads(one.content) for one in self.asked if one.content]

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        if self.failures:
            failure = self.failures.pop(0)
            if isinstance(failure, Exception):
                raise failure
            return failure
        if request.url.path == "/ping":
            return httpx.Response(200, json={"status": "Healthy"})
        answer = self.answer(json.loads(request.content)) if request.content else self.card()
        return httpx.Response(200, json=answer, headers={"X-Model-Version": "1.0"})

    def card(self) -> dict[str, Any]:
        return {
            "model": "fm",
            "target": "rating",
            "score": "rating from 1 to 5",
            "data": {"name": "stand-in", "ratings": 1000, "users": 9},
            "users": 9,
            "movies": len(self.movies),
            "metrics": {"test": {"rows": 100, "rmse": 0.9}, "settings": {"width": 32}},
            "scale": [1, 5],
            "options": ["explain"],
            "some_users": [3, 5, 8],
            "limits": {"max_k": 1000},
            "sha256": self.sha256,
        }

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        if "instances" in body:
            return {"predictions": [self.answer(one) for one in body["instances"]]}
        if "catalogue" in body:
            offset = body["offset"]
            return {"catalogue": self.movies[offset : offset + body["k"]], "total": len(self.movies)}
        if "history" in body:
            return {"user_id": body["user_id"], "history": [{"movie_id": 1, "title": self.movies[0]["title"]}]}
        if "movie_id" in body:
            return {"movie_id": body["movie_id"], "similar": [one | {"score": 0.9} for one in self.movies[:3]]}
        because = [
            {"movie_id": 1, "title": self.movies[0]["title"], "share": 0.6},
            {"movie_id": 2, "title": "Against it", "share": -0.4},
            {"feature": "age", "share": 0.3},
            {"remainder": True, "share": 0.3},
        ]
        listed_for = [
            {"movie_id": 2, "title": "Alike", "share": 0.25},
            {"movie_id": 1, "title": self.movies[0]["title"], "share": 0.5},
            {"everybody": True, "share": 0.125},
            {"remainder": True, "share": 0.125},
        ]
        reasons = {"personal": 0.8, "because": because, "rank_score": 1.0, "rank_because": listed_for}
        return {"recommendations": [one | {"score": 4.5} | reasons for one in self.movies[:3]]}


@pytest.fixture(scope="module", autouse=True)
def _patient() -> Iterator[None]:
    """On a slow machine, too, answers have what is in the store, and models are reached."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "PATIENCE", PATIENCE)
        patch.setattr(connections, "CONNECT", PATIENCE)
        yield


@contextmanager
def _running(settings: Settings, transport: httpx.MockTransport | None = None) -> Iterator[str]:
    """A gateway that listens; its address. Its store is a temporary file and its limits are ``GENEROUS``, unless the
    settings name others.

    uvicorn opens the port: on a socket from outside asyncio would leave Nagle's algorithm on, and every answer but the
    first would wait 40 ms for an acknowledgement.
    """
    with tempfile.TemporaryDirectory() as folder:
        ours = GENEROUS | {"events_url": f"sqlite:///{folder}/events.db"}
        usual = {name: value for name, value in ours.items() if getattr(settings, name) == getattr(Settings, name)}
        settings = dataclasses.replace(settings, **usual)
        app = create_app(settings, transport and Mocked(transport))
        gateway = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", server_header=False))
        thread = threading.Thread(target=gateway.run, daemon=True)
        thread.start()
        while not gateway.started and thread.is_alive():
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{gateway.servers[0].sockets[0].getsockname()[1]}"
        finally:
            gateway.should_exit = True
            thread.join(PATIENCE)


Running = Callable[..., AbstractContextManager[str]]


@pytest.fixture(scope="session")
def running() -> Running:
    return _running


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of Debian's browser. Where there is none, tests that need it are skipped; in CI they fail."""
    path = shutil.which("chromium")
    if path is None:
        missing = "no chromium on PATH: apt-get install chromium"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return path


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """A fresh Chromium. Of a module, not of the session: while it runs, this thread has an event loop."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS, timeout=1000 * PATIENCE)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def make_stand_in() -> Callable[[int], StandIn]:
    """A stand-in with so many movies; the best known one has markup in its title."""

    def make(movies: int) -> StandIn:
        return StandIn([movie(1, MARKUP, ratings=500), *(movie(one, f"Film {one}") for one in range(2, movies + 1))])

    return make


def transport_of(service: Service) -> httpx.MockTransport:
    """In TorchServe's place: the handler's own answers."""

    def answer(request: httpx.Request) -> httpx.Response:
        version = {"X-Model-Version": "1.0"}
        if not request.content:
            return httpx.Response(200, json=service.describe(), headers=version)
        (answer,) = service.answer([request.content])
        return httpx.Response(answer.code, content=answer.body, headers=version)

    return httpx.MockTransport(answer)


@pytest.fixture(scope="session")
def of_likes(likes_build: Path) -> httpx.MockTransport:
    """In TorchServe's place: the handler's own answers, of a model of likes whose ids are strings."""
    return transport_of(load_service(likes_build / "fm", Limits(named_users=50)))


@pytest.fixture(scope="session")
def of_shop(shop_build: Path) -> httpx.MockTransport:
    """In TorchServe's place: the handler's own answers, of a shop's model."""
    return transport_of(load_service(shop_build / "mf", Limits(named_users=50)))


@pytest.fixture(scope="session")
def of_purchases(purchases_build: Path) -> httpx.MockTransport:
    """The same of a shop without ratings."""
    return transport_of(load_service(purchases_build / "mf", Limits(named_users=50)))


@pytest.fixture(scope="module")
def gateway_and_stand_in(running: Any, make_stand_in: Any) -> Iterator[tuple[httpx.Client, Any]]:
    """A gateway that asks for a card each time, and the stand-in for TorchServe behind it."""
    stand_in = make_stand_in(1500)
    settings = Settings(torchserve_url="http://torchserve.test", torchserve_token="a-secret", fresh=0)
    with running(settings, httpx.MockTransport(stand_in)) as address, asking(address) as client:
        yield client, stand_in


@pytest.fixture
def stand_in(gateway_and_stand_in: tuple[httpx.Client, Any]) -> Any:
    stand_in = gateway_and_stand_in[1]
    stand_in.asked, stand_in.failures = [], []
    return stand_in


@pytest.fixture
def gateway(gateway_and_stand_in: tuple[httpx.Client, Any], stand_in: Any) -> httpx.Client:
    return gateway_and_stand_in[0]


def asking(address: str) -> httpx.Client:
    """A client of the gateway at an address, with the patience that slow machines need."""
    return httpx.Client(base_url=address, timeout=PATIENCE)


def ask(gateway: httpx.Client, body: Any, model: str = "fm") -> httpx.Response:
    return gateway.post(f"/api/predictions/{model}", json=body)
