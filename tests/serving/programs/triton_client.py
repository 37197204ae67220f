"""Asks our server as tritonclient does, over HTTP and gRPC, and prints the answers as JSON.

It runs in an environment of its own (tests/serving/asgi/test_clients.py), and so imports nothing of the project but the
questions beside it: python triton_client.py HTTP_ADDRESS GRPC_ADDRESS.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from questions import QUESTIONS, REFUSED, Question, plain
from tritonclient import grpc, http
from tritonclient.utils import InferenceServerException


def ask(module: Any, address: str) -> dict[str, Any]:
    """Everything that a client asks, by one of tritonclient's two modules."""
    client = module.InferenceServerClient(address)
    as_json = {"binary_data": False} if module is http else {}  # gRPC sends raw contents

    def infer(question: Question) -> dict[str, Any]:
        inputs = question.inputs(module.InferInput, **as_json)
        wanted = [module.InferRequestedOutput(name, **as_json) for name in question.outputs]
        result = client.infer("fm", inputs, outputs=wanted, **question.options)
        return {name: plain(result.as_numpy(name)) for name in question.outputs}

    try:
        infer(REFUSED)
        refusal = ""
    except InferenceServerException as error:
        refusal = str(error)
    ready = [client.is_server_live(), client.is_server_ready(), client.is_model_ready("fm", "1.0")]
    answers = {name: infer(question) for name, question in QUESTIONS.items()}
    return answers | {"ready": ready, "refusal": refusal}


if __name__ == "__main__":
    over_http, over_grpc = sys.argv[1:]
    print(json.dumps({"http": ask(http, over_http), "grpc": ask(grpc, over_grpc)}))
