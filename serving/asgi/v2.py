"""The paths of the Open Inference Protocol v2 (tensors.py has what stands in the bodies)."""

from __future__ import annotations

import msgspec

from . import tensors
from .code import Answer, Hosted
from .errors import BadRequest, HostError, NoSuchPath, WrongMethod
from .fleet import Fleet, Served
from .http import Receive, Scope, Send, beside, read_body, send_json


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
            await send_json(send, error.code, msgspec.json.encode({"error": str(error)}), error.headers)

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
                asked = rest[2:] if version else rest
                if asked == ["infer"]:
                    await self._infer(model, version, scope, receive, send)
                else:
                    await self._describe(self.fleet.find(model, version), asked, send)
            case _:
                raise NoSuchPath("this path is not of the Open Inference Protocol v2")

    async def _describe(self, served: Served, asked: list[str], send: Send) -> None:
        hosted = served.batches.hosted
        match asked:
            case []:
                said = tensors.metadata(hosted.model, list(self.fleet.models[hosted.model]), hosted.id_types)
                await send_json(send, 200, msgspec.json.encode(said))
            case ["ready"]:
                await send_json(send, 200, msgspec.json.encode({"name": hosted.model, "ready": True}))
            case _:
                raise NoSuchPath("this path is not of the Open Inference Protocol v2")

    async def _infer(self, model: str, version: str | None, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            raise WrongMethod(f"infer takes POST, and not {scope['method']}")
        self.fleet.find(model, version)  # what is not there is refused before its body comes
        headers = dict(scope["headers"])
        if b"inference-header-content-length" in headers:
            raise BadRequest(
                "binary tensors are an extension that is not served: send them as JSON (binary_data=False)"
            )
        body = await read_body(receive, headers, self.max_body)
        if body is None:
            return
        question, instances = await beside(_read, body, size=len(body))
        batches = self.fleet.find(model, version).batches  # as it is now: it may have been taken out meanwhile
        answer = await batches.answer(instances)
        code, replied = await beside(_reply, question, batches.hosted, answer, size=len(answer.body))
        await send_json(send, code, replied, ((b"x-model-version", batches.hosted.version.encode()),))


def _read(body: bytes) -> tuple[tensors.Question, bytes]:
    """The question in a body, and the contract's body for it. Raises BadRequest."""
    question = tensors.read(body)
    return question, tensors.instances(question)


def _reply(question: tensors.Question, hosted: Hosted, answer: Answer) -> tuple[int, bytes]:
    """Status and body. Raises BadRequest."""
    if answer.code != 200:
        return answer.code, msgspec.json.encode({"error": msgspec.json.decode(answer.body)["message"]})
    return 200, tensors.reply(question, hosted.model, hosted.version, answer.body)
