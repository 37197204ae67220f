"""Asks our server as KServe's client does, over HTTP and gRPC, and prints the answers as JSON.

It runs in an environment of its own (tests/serving/asgi/test_clients.py), and so imports nothing of the project but the
questions beside it: python kserve_client.py HTTP_ADDRESS GRPC_ADDRESS.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, InferResponse, RESTConfig
from kserve.protocol.infer_type import RequestedOutput
from questions import QUESTIONS, REFUSED, Question, plain

Infer = Callable[[InferRequest], Awaitable[InferResponse]]


async def ask(send: Infer, is_binary: bool) -> dict[str, Any]:
    """Everything that a client asks; ``is_binary``: whether numbers and texts are sent as raw contents."""

    async def infer(question: Question) -> dict[str, Any]:
        inputs = question.inputs(InferInput, binary_data=is_binary)
        wanted = [RequestedOutput(name) for name in question.outputs]
        response = await send(InferRequest("fm", inputs, request_outputs=wanted, **question.options))
        return {name: plain(response.get_output_by_name(name).as_numpy()) for name in question.outputs}

    try:
        await infer(REFUSED)
        refusal = ""
    except Exception as error:  # one of httpx or of gRPC
        refusal = str(error)
    return {name: await infer(question) for name, question in QUESTIONS.items()} | {"refusal": refusal}


async def main(over_http: str, over_grpc: str) -> None:
    """Ask by both protocols."""
    address = f"http://{over_http}"
    async with InferenceRESTClient(RESTConfig(protocol="v2")) as rest, InferenceGRPCClient(over_grpc) as grpc:
        http_ready = [
            await rest.is_server_live(address),
            await rest.is_server_ready(address),
            await rest.is_model_ready(address, "fm"),
        ]
        grpc_ready = [await grpc.is_server_live(), await grpc.is_server_ready(), await grpc.is_model_ready("fm")]
        by_http = await ask(lambda request: rest.infer(address, request, "fm"), is_binary=False)
        by_grpc = await ask(grpc.infer, is_binary=True)
    print(json.dumps({"http": by_http | {"ready": http_ready}, "grpc": by_grpc | {"ready": grpc_ready}}))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
