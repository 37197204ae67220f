"""TorchServe's inference API: pooled connections, a time limit, and a bounded retry."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from typing import Any

import httpx
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    retry_if_result,
    stop_after_attempt,
    wait_exponential_jitter,
)

from .key import KeyFile, is_key_refused
from .problems import NotRegistered, ServerBusy, ServerDown, ServerFault, ServerSlow
from .schema import Card
from .settings import Settings

# The handler's errors that are passed on to the client; any other error is the server's.
_FOR_THE_CLIENT = {"InvalidRequest", "UnknownId", "TooLarge"}

ASK_AGAIN = {500, 503, 507}  # statuses; those of client/recommender_client.py, which says why (a test compares them)
_BROKEN = (httpx.NetworkError, httpx.RemoteProtocolError)


@dataclass(frozen=True)
class Answer:
    """A model's answer as it came: a JSON body."""

    status: int
    body: bytes
    version: str
    seconds: float

    def json(self) -> dict[str, Any]:
        """The body, read."""
        return json.loads(self.body)


class TorchServe:
    """Asks the models by name; every question is a read, so that asking again does no harm."""

    def __init__(self, settings: Settings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        """Of the server that ``settings`` name."""
        token, key_file = settings.torchserve_token, settings.torchserve_key_file
        self.models = settings.models
        self._timeout = settings.timeout
        self._client = httpx.AsyncClient(
            base_url=settings.torchserve_url,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            auth=KeyFile(key_file) if key_file else None,
            timeout=httpx.Timeout(settings.timeout, connect=1.0),
            limits=httpx.Limits(max_connections=64, max_keepalive_connections=16),
            transport=transport,
            trust_env=False,  # a proxy of the environment is not for the server next door
        )

    async def close(self) -> None:
        """Close the pooled connections."""
        await self._client.aclose()

    async def ask(self, model: str, body: bytes, version: str | None = None) -> Answer:
        """The answer of the handler, which may be an error for the client. ``version``: the default where it is None.

        Raises a Problem where there is none.
        """
        return await self._post(_path(model, version), body, {"Content-Type": "application/json"})

    async def card(self, model: str, version: str | None = None) -> Card:
        """The model card: the describe answer, which the handler gives on the inference port too (an empty form)."""
        form = {"Content-Type": "application/x-www-form-urlencoded", "describe": "True"}
        answer = await self._post(_path(model, version), b"", form)
        return Card.model_validate(answer.json() | {"name": model, "version": answer.version})

    async def history(self, model: str, user: str) -> Answer:
        """What the model's archive has of a user; a 404 where it does not know them."""
        return await self.ask(model, json.dumps({"user_id": user, "history": True, "on_unknown": "error"}).encode())

    async def up(self) -> bool:
        """Whether a server answers at TorchServe's address."""
        try:
            return (await self._client.get("/ping", timeout=2)).status_code == 200
        except httpx.HTTPError:
            return False

    async def _post(self, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        started = time.perf_counter()
        tries = AsyncRetrying(
            retry=retry_if_exception_type(_BROKEN) | retry_if_result(_is_asked_again),
            wait=wait_exponential_jitter(multiplier=0.05, max=0.5, jitter=0.05),
            stop=stop_after_attempt(3),
            retry_error_callback=_as_it_came,
        )
        try:
            async with asyncio.timeout(self._timeout):
                response = await tries(self._client.post, f"/predictions/{path}", content=body, headers=headers)
        except (httpx.TimeoutException, TimeoutError):
            raise ServerSlow("The model server took too long to answer. Try again in a moment.") from None
        except httpx.TransportError:
            raise ServerDown("The model server is not running, or cannot be reached from here.") from None
        _check(response, path)
        version = response.headers.get("X-Model-Version", "")
        return Answer(response.status_code, response.content, version, time.perf_counter() - started)


def _path(model: str, version: str | None) -> str:
    return model if version is None else f"{model}/{version}"


def _is_asked_again(response: httpx.Response) -> bool:
    return response.status_code in ASK_AGAIN


def _as_it_came(tries: RetryCallState) -> httpx.Response:
    """The response of the last try, or its exception raised."""
    return tries.outcome.result()


def _check(response: httpx.Response, path: str) -> None:
    """Raise a Problem for a response that is neither an answer nor an error that the handler has for the client."""
    if response.is_success or _type_of(response) in _FOR_THE_CLIENT:
        return
    if response.status_code == 404:
        raise NotRegistered(f"The model server runs, but has no model “{path}”. Register it, or choose another.")
    if is_key_refused(response):
        raise ServerFault("The model server does not take this page's key: its key file says which it takes.")
    if response.status_code in ASK_AGAIN - {500}:
        raise ServerBusy("The model server is busy or still loading the model. Try again in a moment.")
    raise ServerFault(f"The model server failed with status {response.status_code}; its log says why.")


def _type_of(response: httpx.Response) -> str:
    try:
        return str(response.json().get("type", ""))
    except (ValueError, AttributeError):
        return ""
