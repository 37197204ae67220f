"""The contract over gRPC, against a real TorchServe."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
import requests
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from client import grpc_example
from client.grpc_example import OPTIONS
from client.stubs import inference_pb2
from client.stubs.inference_pb2_grpc import InferenceAPIsServiceStub
from serving.server import Server
from tests.conftest import MODELS, Client, server_on_free_ports
from tools.examples import Example, examples

ROOT = Path(__file__).parents[2]
ask = partial(grpc_example.ask, timeout=60)


def channel_to(server: Server) -> grpc.Channel:
    return grpc.insecure_channel(f"127.0.0.1:{server.settings['grpc_inference_port']}", options=OPTIONS)


@pytest.fixture(scope="module")
def channel(server: Server) -> Iterator[grpc.Channel]:
    with channel_to(server) as one:
        yield one


@pytest.fixture(scope="module")
def asked(planted) -> dict[str, Example]:
    movie, other = planted.log.ratings["movie_id"].value_counts().index[:2].tolist()
    return examples(int(planted.log.ratings["user_id"].iloc[0]), movie, other)


@pytest.mark.parametrize("model", MODELS)
def test_answers_and_errors_are_those_of_http(client: Client, channel: grpc.Channel, asked: Any, model: str) -> None:
    for example in asked.values():
        answer = ask(channel, model, example.request)
        assert answer == client.post(model, example.request).json()
        # gRPC has no status for one answer of a batch: the call is OK, the code is in the body.
        assert ask(channel, model, example.request, version="1.0") == answer


def test_errors_have_their_code_in_the_body(channel: grpc.Channel, asked: dict[str, Example]) -> None:
    refused = {name: one for name, one in asked.items() if one.status != 200}
    assert {one.status for one in refused.values()} == {400, 404, 413}
    for example in refused.values():
        assert ask(channel, "fm", example.request) == example.answer


def test_whatever_the_body_holds_the_answer_is_json(client: Client, channel: grpc.Channel) -> None:
    predictions = InferenceAPIsServiceStub(channel).Predictions
    for body in (b"", b"nope", b"\xff", b"null", b'{"user_id": NaN}'):
        reply = predictions(inference_pb2.PredictionsRequest(model_name="fm", input={"body": body}), timeout=30)
        assert json.loads(reply.prediction)["code"] == 400
    nothing = predictions(inference_pb2.PredictionsRequest(model_name="fm"), timeout=30)
    assert json.loads(nothing.prediction)["code"] == 400


def test_scalars_may_be_inputs_of_their_own(client: Client, channel: grpc.Channel, asked: dict[str, Example]) -> None:
    pair = asked["score"].request
    scalars = {name: str(value).encode() for name, value in pair.items()}
    predictions = InferenceAPIsServiceStub(channel).Predictions
    reply = predictions(inference_pb2.PredictionsRequest(model_name="fm", input=scalars), timeout=30)
    assert json.loads(reply.prediction) == client.ask("fm", pair)


def test_what_torchserve_refuses_is_a_status(channel: grpc.Channel) -> None:
    for model, version, said in [
        ("nothing", "", "ModelNotFoundException"),
        ("fm", "9.9", "ModelVersionNotFoundException"),
        ("", "", "model_name is required"),
    ]:
        with pytest.raises(grpc.RpcError) as caught:
            ask(channel, model, {"user_id": 1}, version=version)
        assert caught.value.code() is grpc.StatusCode.INTERNAL
        assert said in caught.value.details()


@pytest.fixture(scope="module")
def strict(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that asks for tokens, and that decodes JSON before the handler sees it."""
    running = server_on_free_ports(
        store,
        tmp_path_factory.mktemp("strict"),
        load_models="fm=fm.mar",
        disable_token_authorization="false",
        decode_input_request="true",
    )
    running.start()
    yield running
    running.stop()


def test_decoded_bodies_and_tokens(client: Client, strict: Server, asked: dict[str, Example]) -> None:
    token = strict.token("inference")
    with channel_to(strict) as channel:
        for example in asked.values():
            expected = client.post("fm", example.request)
            over_http = requests.post(
                f"{strict.inference}/predictions/fm",
                json=example.request,
                headers={"Authorization": f"Bearer {token}"},
                timeout=30,
            )
            assert (over_http.status_code, over_http.json()) == (expected.status_code, expected.json())
            assert ask(channel, "fm", example.request, token=token) == expected.json()
        with pytest.raises(grpc.RpcError) as caught:
            ask(channel, "fm", {"user_id": 1})
        assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
        assert "Token Authorization failed" in caught.value.details()


def test_the_example_runs(server: Server, asked: dict[str, Example]) -> None:
    address = f"127.0.0.1:{server.settings['grpc_inference_port']}"
    command = [sys.executable, "-m", "client.grpc_example", "--address", address, "fm"]
    for name, code in (("score", 0), ("unknown_id", 1)):
        words = [*command, json.dumps(asked[name].request)]
        result = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
        assert result.returncode == code, result.stderr
        assert set(json.loads(result.stdout)) == set(asked[name].answer)


def test_the_definition_is_torchserves() -> None:
    theirs, ours = _definition_in_the_server(), FileDescriptorProto()
    inference_pb2.DESCRIPTOR.CopyToProto(ours)
    assert ours.package == theirs.package
    known = {message.name: message for message in theirs.message_type}
    for message in ours.message_type:
        fields = {(one.name, one.number, one.type, one.label) for one in message.field}
        assert fields <= {(one.name, one.number, one.type, one.label) for one in known[message.name].field}
    methods = {(one.name, one.input_type, one.output_type) for one in theirs.service[0].method}
    assert ours.service[0].name == theirs.service[0].name
    assert {(one.name, one.input_type, one.output_type) for one in ours.service[0].method} <= methods


def _definition_in_the_server() -> FileDescriptorProto:
    """The file descriptor that protoc has left as a string constant of a Java class."""
    (folder,) = importlib.util.find_spec("ts").submodule_search_locations
    with zipfile.ZipFile(Path(folder) / "frontend" / "model-server.jar") as jar:
        code = jar.read("org/pytorch/serve/grpc/inference/Inference.class")
    start = code.index(b"\n\x0finference.proto")
    size = int.from_bytes(code[start - 2 : start], "big")
    # Java's own UTF-8 writes NUL in two bytes.
    constant = code[start : start + size].replace(b"\xc0\x80", b"\x00").decode("utf-8").encode("latin-1")
    return FileDescriptorProto.FromString(constant)
