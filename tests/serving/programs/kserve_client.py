"""Asks our server as KServe's client does, over HTTP and gRPC, and prints the answers as JSON.

It runs in an environment of its own (tests/serving/asgi/test_clients.py), and so imports nothing of the project:
python kserve_client.py HTTP_ADDRESS GRPC_ADDRESS.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, InferResponse, RESTConfig
from kserve.protocol.infer_type import RequestedOutput

Infer = Callable[[InferRequest], Awaitable[InferResponse]]


async def ask(send: Infer, is_binary: bool) -> dict[str, Any]:
    """Everything that a client asks; ``is_binary``: whether numbers and texts are sent as raw contents."""

    async def infer(datatype: str, sides: dict[str, list[Any]], outputs: list[str], **options: Any) -> dict[str, Any]:
        inputs = []
        for name, ids in sides.items():
            given = InferInput(name, [len(ids)], datatype)
            data = np.array([str(one).encode() for one in ids], object) if datatype == "BYTES" else np.array(ids)
            given.set_data_from_numpy(data, binary_data=is_binary)
            inputs.append(given)
        wanted = [RequestedOutput(name) for name in outputs]
        response = await send(InferRequest("fm", inputs, request_outputs=wanted, **options))
        return {name: response.get_output_by_name(name).as_numpy().tolist() for name in outputs}

    try:
        await infer("INT64", {"users": [1]}, ["score"])
        refusal = ""
    except Exception as error:  # one of httpx or of gRPC
        refusal = str(error)
    pairs = {"user_id": [11, 13], "movie_id": [103, 101]}
    (answer,) = (await infer("BYTES", {"request": [json.dumps({"user_id": 11, "k": 3})]}, ["answer"]))["answer"]
    return {
        "pairs": await infer("INT64", pairs, ["score", "unknown"]),
        "pairs of texts": await infer("BYTES", pairs, ["score", "unknown"], model_version="1.0"),
        "lists": await infer("INT64", {"user_id": [11, 13]}, ["movie_id", "score"], parameters={"k": 4}),
        "answer": answer.decode() if isinstance(answer, bytes) else answer,
        "refusal": refusal,
    }


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
