"""The inference API as a plain ASGI application: predictions, health, and the open protocols."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from .code import Answer
from .errors import BadRequest, HostError, NoSuchPath, NotAnswered
from .fleet import Fleet, Served
from .http import Receive, Scope, Send, beside, form_fields, is_form, read_body, send_error, send_json
from .v2 import OpenInference

logger = logging.getLogger(__name__)

HEALTHY = b'{"status":"Healthy"}'
UNHEALTHY = b'{"status":"Unhealthy"}'


class Inference:
    """Answers the inference API from the versions of a fleet. ``max_body``: bytes of a request."""

    def __init__(self, fleet: Fleet, max_body: int) -> None:
        self.fleet = fleet
        self.max_body = max_body
        self.open_inference = OpenInference(fleet, max_body)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One HTTP request."""
        try:
            await self._answer(scope, receive, send)
        except HostError as error:
            await self._refuse(send, error)
        except Exception:
            logger.exception("%s %s failed", scope["method"], scope["path"])
            await self._refuse(send, NotAnswered("the request could not be answered: the server's log says why"))

    async def _refuse(self, send: Send, error: HostError) -> None:
        self.fleet.codes[error.code] += 1
        await send_error(send, error)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["path"].strip("/").split("/"):
            case ["ping"]:
                await send_json(send, *((200, HEALTHY) if self.fleet.is_ready else (503, UNHEALTHY)))
            case ["predictions", model] | ["predictions", model, _] as found:
                await self._predict(model, found[2] if len(found) == 3 else None, scope, receive, send)
            case ["v2", *rest]:
                await self.open_inference.answer(rest, scope, receive, send)
            case ["invocations"]:
                await self._predict(self._invoked(dict(scope["headers"])), None, scope, receive, send)
            case _:
                raise NoSuchPath("Requested resource is not found: predictions are at /predictions/{model}[/{version}]")

    def _invoked(self, headers: Mapping[bytes, bytes]) -> str:
        """The model that SageMaker's ``/invocations`` means: the only one, or the one that its custom attributes name.

        Of a client's headers SageMaker passes on hardly any other; its own for models is for multi-model endpoints.
        """
        attributes = headers.get(b"x-amzn-sagemaker-custom-attributes", b"").decode("latin-1").split(",")
        named = dict(attribute.strip().partition("=")[::2] for attribute in attributes).get("model")
        if not named and len(self.fleet.models) != 1:
            there = ", ".join(sorted(self.fleet.models))
            raise BadRequest(
                "which model? Name one in the header X-Amzn-SageMaker-Custom-Attributes (CustomAttributes of "
                f"InvokeEndpoint), as in model=fm: there are {there}"
            )
        return named or next(iter(self.fleet.models))

    async def _predict(self, model: str, version: str | None, scope: Scope, receive: Receive, send: Send) -> None:
        self.fleet.find(model, version)  # what is not there is refused before its body comes
        headers = dict(scope["headers"])
        body = await read_body(receive, headers, self.max_body)
        if body is None:
            return
        request = await beside(request_of, headers, body, size=len(body))
        served = self.fleet.find(model, version)  # as it is now: it may have been taken out meanwhile
        answer = await served.batches.answer(request)
        await send_answer(send, served, answer)


def request_of(headers: dict[bytes, bytes], body: bytes) -> Any:
    """A request as an archive takes it: a body, the fields of a form, or None for a question for the description.

    TorchServe's describe call is a header and no body; with a body the header is ignored.
    """
    content_type = headers.get(b"content-type", b"")
    request: Any = form_fields(content_type, body) if is_form(content_type) else body
    return None if not request and headers.get(b"describe") == b"True" else request


async def send_answer(send: Send, served: Served, answer: Answer) -> None:
    """Send what an archive answers."""
    version = served.batches.hosted.version.encode()
    await send_json(send, answer.code, answer.body, ((b"x-model-version", version),))
