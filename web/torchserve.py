"""TorchServe's inference API: pooled connections, a time limit, and a bounded retry."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .connections import Connections, Response, Server
from .key import Key, is_key_refused
from .problems import NotRegistered, ServerBusy, ServerDown, ServerFault, ServerSlow
from .schema import Card
from .settings import Settings

# The handler's errors that are passed on to the client; any other error is the server's.
_FOR_THE_CLIENT = {"InvalidRequest", "UnknownId", "TooLarge"}

ASK_AGAIN = {500, 503, 507}  # statuses; those of client/recommender_client.py, which says why (a test compares them)
PAUSES = (0.05, 0.1)  # seconds before the second and the third try, and at random up to JITTER more
JITTER = 0.05
JSON = {"Content-Type": "application/json"}
DESCRIBE = {"Content-Type": "application/x-www-form-urlencoded", "describe": "True"}


@dataclass(frozen=True)
class Answer:
    """A model's answer as it came: a JSON body."""

    status: int
    body: bytes
    version: str
    seconds: float
    teams: str = ""  # of an interleaved list: whose each position is, TEAM_A or TEAM_B

    def json(self) -> dict[str, Any]:
        """The body, read."""
        return json.loads(self.body)


class TorchServe:
    """Asks the models by name; every question is a read, so that asking again does no harm."""

    def __init__(self, settings: Settings, server: Server | None = None) -> None:
        """Of the server that ``settings`` name; ``server`` stands in for it in tests."""
        self.models = settings.models
        self._timeout = settings.timeout
        self._key = Key(settings.torchserve_token, settings.torchserve_key_file)
        self._server = server or Connections(settings.torchserve_url)

    async def close(self) -> None:
        """Close the pooled connections."""
        await self._server.close()

    async def ask(self, model: str, body: bytes, version: str | None = None) -> Answer:
        """The answer of the handler, which may be an error for the client. ``version``: the default where it is None.

        Raises a Problem where there is none.
        """
        return await self._post(_path(model, version), body, JSON)

    async def card(self, model: str, version: str | None = None) -> Card:
        """The model card: the describe answer, which the handler gives on the inference port too (an empty form)."""
        answer = await self._post(_path(model, version), b"", DESCRIBE)
        return Card.model_validate(answer.json() | {"name": model, "version": answer.version})

    async def history(self, model: str, user: str) -> Answer:
        """What the model's archive has of a user; a 404 where it does not know them."""
        return await self.ask(model, json.dumps({"user_id": user, "history": True, "on_unknown": "error"}).encode())

    async def up(self) -> bool:
        """Whether a server answers at TorchServe's address."""
        try:
            async with asyncio.timeout(2):
                return (await self._server.send("GET", "/ping", self._key.headers)).status == 200
        except OSError:
            return False

    async def _post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self._timeout):
                response = await self._tried(f"/predictions/{path}", headers, body)
        except TimeoutError:
            raise ServerSlow("The model server took too long to answer. Try again in a moment.") from None
        except OSError:
            raise ServerDown("The model server is not running, or cannot be reached from here.") from None
        _check(response, path)
        version = response.headers.get("x-model-version", "")
        return Answer(response.status, response.body, version, time.perf_counter() - started)

    async def _tried(self, path: str, headers: Mapping[str, str], body: bytes) -> Response:
        """The first response that is not to be asked for again, or what the last try gives."""
        for pause in PAUSES:
            try:
                response = await self._with_key(path, headers, body)
                if response.status not in ASK_AGAIN:
                    return response
            except TimeoutError:
                raise
            except OSError:
                pass
            await asyncio.sleep(pause + random.uniform(0, JITTER))
        return await self._with_key(path, headers, body)

    async def _with_key(self, path: str, headers: Mapping[str, str], body: bytes) -> Response:
        """The response. Where the key is refused and another one is there, that to a second request."""
        response = await self._server.send("POST", path, {**headers, **self._key.headers}, body)
        if is_key_refused(response) and self._key.read_again():
            response = await self._server.send("POST", path, {**headers, **self._key.headers}, body)
        return response


def _path(model: str, version: str | None) -> str:
    return model if version is None else f"{model}/{version}"


def _check(response: Response, path: str) -> None:
    """Raise a Problem for a response that is neither an answer nor an error that the handler has for the client."""
    if 200 <= response.status < 300 or _type_of(response) in _FOR_THE_CLIENT:
        return
    if response.status == 404:
        raise NotRegistered(f"The model server runs, but has no model “{path}”. Register it, or choose another.")
    if is_key_refused(response):
        raise ServerFault("The model server does not take this page's key: its key file says which it takes.")
    if response.status in ASK_AGAIN - {500}:
        raise ServerBusy("The model server is busy or still loading the model. Try again in a moment.")
    raise ServerFault(f"The model server failed with status {response.status}; its log says why.")


def _type_of(response: Response) -> str:
    try:
        return str(json.loads(response.body).get("type", ""))
    except (ValueError, AttributeError):
        return ""
