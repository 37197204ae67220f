"""The application as any ASGI server runs it: by the messages of its lifespan and of a request."""

from __future__ import annotations

import asyncio
import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from archives.errors import ArchiveRefused
from handlers.recommender.loading import load_service
from serving.asgi.application import Application

PAIR = {"user_id": 11, "movie_id": 103}


class Started:
    """An application between the start and the end of its lifespan."""

    def __init__(self, application: Application) -> None:
        self.application = application
        self.received: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def __aenter__(self) -> Started:
        self.task = asyncio.create_task(self.application({"type": "lifespan"}, self.received.get, self.sent.put))
        await self.received.put({"type": "lifespan.startup"})
        assert await self.sent.get() == {"type": "lifespan.startup.complete"}
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.received.put({"type": "lifespan.shutdown"})
        assert await self.sent.get() == {"type": "lifespan.shutdown.complete"}
        await self.task

    async def post(self, path: str, body: Any) -> tuple[int, Any]:
        sent: list[dict[str, Any]] = []
        headers = [(b"content-type", b"application/json")]
        scope = {"type": "http", "method": "POST", "path": path, "headers": headers}

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self.application(scope, receive, send)
        return sent[0]["status"], json.loads(b"".join(message.get("body", b"") for message in sent))


@pytest.mark.parametrize("model", ["mf", "fm"])
def test_it_answers_from_the_archives_of_the_store(model: str, mixed_store: Path, build: Path) -> None:
    application = pickle.loads(pickle.dumps(Application(mixed_store)))  # as it gets to a process of Ray
    (expected,) = load_service(build / model).answer([json.dumps(PAIR).encode()])

    async def ask() -> None:
        async with Started(application) as started:
            for path in (f"/predictions/{model}", f"/predictions/{model}/1.0"):
                code, answer = await started.post(path, PAIR)
                assert code == 200
                assert answer["score"] == pytest.approx(json.loads(expected.body)["score"], abs=1e-5)
            assert (await started.post("/predictions/none", PAIR))[0] == 404

    asyncio.run(ask())


def test_a_store_without_archives_fails_at_the_start(tmp_path: Path) -> None:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "lifespan.startup"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    with pytest.raises(ArchiveRefused):
        asyncio.run(Application(tmp_path)({"type": "lifespan"}, receive, send))
    (message,) = sent
    assert message["type"] == "lifespan.startup.failed"
    assert "holds no archive that may be served" in message["message"]
