"""The paths of the Open Inference Protocol v2 (tensors.py has what stands in the bodies)."""

from __future__ import annotations

import msgspec

from . import tensors
from .errors import BadRequest, HostError, NoSuchPath
from .fleet import Fleet, Served
from .http import Receive, Scope, Send, read_body, send_json


class OpenInference:
    """Answers ``/v2/...`` from the versions of a fleet; its errors have a shape of their own."""

    def __init__(self, fleet: Fleet, max_body: int) -> None:
        self.fleet = fleet
        self.max_body = max_body

    async def answer(self, path: list[str], scope: Scope, receive: Receive, send: Send) -> None:
        """One request to ``/v2/`` and ``path``."""
        try:
            await self._answer(path, scope, receive, send)
        except HostError as error:
            self.fleet.codes[error.code] += 1
            await send_json(send, error.code, msgspec.json.encode({"error": str(error)}))

    async def _answer(self, path: list[str], scope: Scope, receive: Receive, send: Send) -> None:
        match path:
            case [] | [""]:
                await send_json(send, 200, msgspec.json.encode(tensors.server_metadata()))
            case ["health", "live"]:
                await send_json(send, 200, b'{"live":true}')
            case ["health", "ready"]:
                await send_json(send, *((200, b'{"ready":true}') if self.fleet.is_ready else (503, b'{"ready":false}')))
            case ["models", model, *rest]:
                version = rest[1] if rest[:1] == ["versions"] and len(rest) > 1 else None
                served, asked = self.fleet.find(model, version), rest[2:] if version else rest
                await self._answer_model(served, asked, scope, receive, send)
            case _:
                raise NoSuchPath("this path is not of the Open Inference Protocol v2")

    async def _answer_model(self, served: Served, asked: list[str], scope: Scope, receive: Receive, send: Send) -> None:
        hosted = served.batches.hosted
        match asked:
            case []:
                said = tensors.metadata(hosted.model, list(self.fleet.models[hosted.model]), hosted.id_types)
                await send_json(send, 200, msgspec.json.encode(said))
            case ["ready"]:
                await send_json(send, 200, msgspec.json.encode({"name": hosted.model, "ready": True}))
            case ["infer"]:
                await self._infer(served, scope, receive, send)
            case _:
                raise NoSuchPath("this path is not of the Open Inference Protocol v2")

    async def _infer(self, served: Served, scope: Scope, receive: Receive, send: Send) -> None:
        headers, hosted = dict(scope["headers"]), served.batches.hosted
        if b"inference-header-content-length" in headers:
            raise BadRequest(
                "binary tensors are an extension that is not served: send them as JSON (binary_data=False)"
            )
        body = await read_body(receive, headers, self.max_body)
        if body is None:
            return
        question = tensors.read(body)
        answer = await served.batches.answer(tensors.instances(question))
        if answer.code != 200:
            error = msgspec.json.decode(answer.body)
            await send_json(send, answer.code, msgspec.json.encode({"error": error["message"]}))
            return
        predictions = msgspec.json.decode(answer.body, type=dict[str, list[msgspec.Raw]])["predictions"]
        replied = tensors.reply(question, hosted.model, hosted.version, predictions)
        await send_json(send, 200, replied, ((b"x-model-version", hosted.version.encode()),))
