"""Asks our server as tritonclient does, over HTTP and gRPC, and prints the answers as JSON.

It runs in an environment of its own (tests/serving/asgi/test_clients.py), and so imports nothing of the project:
python triton_client.py HTTP_ADDRESS GRPC_ADDRESS.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
from tritonclient import grpc, http
from tritonclient.utils import InferenceServerException


def ask(module: Any, address: str) -> dict[str, Any]:
    """Everything that a client asks, by one of tritonclient's two modules."""
    client = module.InferenceServerClient(address)
    as_json = {"binary_data": False} if module is http else {}  # gRPC sends raw contents

    def infer(datatype: str, sides: dict[str, list[Any]], outputs: list[str], **options: Any) -> dict[str, Any]:
        inputs = []
        for name, ids in sides.items():
            given = module.InferInput(name, [len(ids)], datatype)
            data = np.array([str(one).encode() for one in ids], object) if datatype == "BYTES" else np.array(ids)
            given.set_data_from_numpy(data, **as_json)
            inputs.append(given)
        wanted = [module.InferRequestedOutput(name, **as_json) for name in outputs]
        result = client.infer("fm", inputs, outputs=wanted, **options)
        return {name: result.as_numpy(name).tolist() for name in outputs}

    try:
        infer("INT64", {"users": [1]}, ["score"])
        refusal = ""
    except InferenceServerException as error:
        refusal = str(error)
    pairs = {"user_id": [11, 13], "movie_id": [103, 101]}
    request = json.dumps({"user_id": 11, "k": 3})
    (answer,) = infer("BYTES", {"request": [request]}, ["answer"])["answer"]
    return {
        "ready": [client.is_server_live(), client.is_server_ready(), client.is_model_ready("fm", "1.0")],
        "pairs": infer("INT64", pairs, ["score", "unknown"]),
        "pairs of texts": infer("BYTES", pairs, ["score", "unknown"], model_version="1.0"),
        "lists": infer("INT64", {"user_id": [11, 13]}, ["movie_id", "score"], parameters={"k": 4}),
        "answer": answer.decode() if isinstance(answer, bytes) else answer,
        "refusal": refusal,
    }


if __name__ == "__main__":
    over_http, over_grpc = sys.argv[1:]
    print(json.dumps({"http": ask(http, over_http), "grpc": ask(grpc, over_grpc)}))
