"""Ask over gRPC: python -m client.grpc_example fm '{"user_id": 196, "k": 3}' (make stubs generates what it imports)."""

import argparse
import json
import sys
from typing import Any

import grpc

from client.stubs.inference_pb2 import PredictionsRequest
from client.stubs.inference_pb2_grpc import InferenceAPIsServiceStub

# gRPC's own limit for answers, 4 MiB, is less than a catalogue may have.
OPTIONS = [("grpc.max_receive_message_length", 64 << 20)]


def ask(
    channel: grpc.Channel, model: str, request: Any, version: str = "", token: str | None = None, timeout: float = 10.0
) -> dict[str, Any]:
    """The answer to one request. An error of the contract is an answer too, ``{"code": 400, ...}``: look for ``code``.

    Raises grpc.RpcError for what TorchServe itself refuses: a model or version that it does not have, a full queue.
    """
    predictions = InferenceAPIsServiceStub(channel).Predictions
    message = PredictionsRequest(model_name=model, model_version=version, input={"body": json.dumps(request).encode()})
    metadata = [("authorization", f"Bearer {token}")] if token else []
    return json.loads(predictions(message, timeout=timeout, metadata=metadata).prediction)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Ask a model over gRPC; exits with 1 if the answer is an error.")
    parser.add_argument("model")
    parser.add_argument("request", type=json.loads, help="JSON, as over HTTP")
    parser.add_argument("--address", default="localhost:7070")
    arguments = parser.parse_args()
    with grpc.insecure_channel(arguments.address, options=OPTIONS) as channel:
        answer = ask(channel, arguments.model, arguments.request)
    print(json.dumps(answer, indent=2))
    sys.exit("code" in answer)
