"""Our answers and our definition of the Open Inference Protocol, against those that others publish.

The specification's own files are in no package. Packages that are made from them are, and so are the documents of two
other servers (programs/specification.txt).
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
import requests
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto

from client.stubs.open_inference_pb2 import DESCRIPTOR
from tests.conftest import Client

pytestmark = pytest.mark.slow

PACKAGES = Path(__file__).parents[1] / "programs/specification.txt"
# The newest specification has two kinds of parameters that KServe and MLServer do not know yet.
NEW = {"InferParameter.double_param 4 TYPE_DOUBLE", "InferParameter.uint64_param 5 TYPE_UINT64"}
DEFINITIONS = {
    "open_inference/grpc/protocol.py": set(),
    "tritonclient/grpc/service_pb2.py": set(),
    "kserve/protocol/grpc/grpc_predict_v2_pb2.py": NEW,
    "mlserver/grpc/dataplane_pb2.py": NEW,
}
# What OpenAPI has no type for, MLServer's document calls "bytes". In JSON there are none.
Validator = jsonschema.validators.extend(
    jsonschema.Draft4Validator,
    type_checker=jsonschema.Draft4Validator.TYPE_CHECKER.redefine("bytes", lambda _, __: False),
)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the packages are unpacked in."""
    folder = tmp_path_factory.mktemp("published")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder, "-r", PACKAGES]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"the packages cannot be had here: {done.stderr[-300:]}")
    return folder


def definition(module: Path) -> FileDescriptorProto:
    """The definition in a generated module, which need not run: it was made for another release of protobuf."""
    calls = [node for node in ast.walk(ast.parse(module.read_text())) if isinstance(node, ast.Call)]
    (registered,) = (call for call in calls if getattr(call.func, "attr", None) == "AddSerializedFile")
    return FileDescriptorProto.FromString(ast.literal_eval(registered.args[0]))


def lines(file: FileDescriptorProto) -> set[str]:
    """A line for each method and each field: names, number, type, label."""
    (service,) = file.service
    methods = {
        f"{file.package}.{service.name}.{one.name} {one.input_type} {one.output_type} "
        f"{one.client_streaming} {one.server_streaming}"
        for one in service.method
    }
    return methods | set(_fields(file.message_type))


def _fields(messages: Iterable[DescriptorProto], within: str = "") -> Iterator[str]:
    for message in messages:
        for one in message.field:
            kind, label = one.Type.Name(one.type), one.Label.Name(one.label)
            # A field that is "optional" has a choice of its own; on the wire it is any other.
            choice = message.oneof_decl[one.oneof_index].name if one.HasField("oneof_index") else ""
            choice = "" if one.proto3_optional else choice
            yield f"{within}{message.name}.{one.name} {one.number} {kind} {label} {one.type_name} {choice}"
        yield from _fields(message.nested_type, f"{within}{message.name}.")


@pytest.mark.parametrize("module", DEFINITIONS)
def test_each_method_and_field_is_as_others_define_it(published: Path, module: str) -> None:
    ours = FileDescriptorProto.FromString(DESCRIPTOR.serialized_pb)
    alone = lines(ours) - lines(definition(published / module))  # theirs have further ones: of their own extensions
    assert {" ".join(line.split()[:3]) for line in alone} == DEFINITIONS[module]


MODEL, VERSION = "/v2/models/{model_name}", "/v2/models/{model_name}/versions/{model_version}"
PAIRS = {
    "id": "42",
    "inputs": [
        {"name": "user_id", "datatype": "INT64", "shape": [2], "data": [11, 13]},
        {"name": "movie_id", "datatype": "BYTES", "shape": [2, 1], "data": [["103"], ["101"]]},
    ],
    "outputs": [{"name": "score"}, {"name": "unknown"}],
}
LISTS = {"inputs": PAIRS["inputs"][:1], "parameters": {"k": 4}}
REQUEST = {"inputs": [{"name": "request", "datatype": "BYTES", "shape": [1], "data": ['{"user_id": 11, "k": 3}']}]}
REFUSED = {"inputs": PAIRS["inputs"][1:]}
CALLS: list[tuple[str, Any, int]] = [
    ("/v2", None, 200),
    ("/v2/health/live", None, 200),
    ("/v2/health/ready", None, 200),
    *((path + "/ready", None, 200) for path in (MODEL, VERSION)),
    *((path, None, code) for path in (MODEL, VERSION) for code in (200, 404)),
    *((f"{path}/infer", body, 200) for path in (MODEL, VERSION) for body in (PAIRS, LISTS, REQUEST)),
    *((f"{path}/infer", REFUSED, 400) for path in (MODEL, VERSION)),
    *((f"{path}/infer", PAIRS, 404) for path in (MODEL, VERSION)),
]


@pytest.mark.parametrize(("path", "body", "code"), CALLS)
def test_each_answer_is_one_of_the_openapi_document(
    published: Path, client: Client, path: str, body: Any, code: int
) -> None:
    document = json.loads((published / "mlserver/rest/openapi/dataplane.json").read_text())
    url = client.server.inference + path.format(model_name="none" if code == 404 else "fm", model_version="1.0")
    response = requests.request("POST" if body else "GET", url, json=body, timeout=30)
    assert response.status_code == code
    operation = document["paths"][path]["post" if body else "get"]
    answer = operation["responses"][str(code)]
    if body:
        hold(operation["requestBody"]["content"]["application/json"]["schema"], document, body)
    if "content" in answer:
        hold(answer["content"][response.headers["Content-Type"]]["schema"], document, response.json())


def hold(schema: dict[str, Any], document: dict[str, Any], found: Any) -> None:
    """Raises jsonschema.ValidationError where ``found`` is not of a schema, which refers to others of its document."""
    Validator(schema | {"components": document["components"]}).validate(found)


def test_the_client_made_from_the_specification_reads_our_answers(
    published: Path, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(published)])
    from open_inference.openapi.client import OpenInferenceClient
    from open_inference.openapi.errors import BadRequestError, NotFoundError
    from open_inference.openapi.types import InferenceRequest

    movies = {"name": "movie_id", "datatype": "INT64", "shape": [2], "data": [103, 101]}
    integers = InferenceRequest.parse_obj(PAIRS | {"inputs": [PAIRS["inputs"][0], movies]})  # it writes them as 11.0
    with httpx.Client(timeout=30) as http:
        theirs = OpenInferenceClient(base_url=client.server.inference, httpx_client=http)
        theirs.check_server_liveness()
        theirs.check_server_readiness()
        theirs.check_model_version_readiness("fm", "1.0")
        assert theirs.read_server_metadata().extensions == []
        assert theirs.read_model_metadata("fm").versions == ["1.0"]
        answer = theirs.model_version_infer("fm", "1.0", request=integers)
        with pytest.raises(BadRequestError, match="inputs are movie_id: give user_id and movie_id"):
            theirs.model_infer("fm", request=InferenceRequest.parse_obj({"inputs": [movies]}))
        with pytest.raises(NotFoundError, match="Model not found: none"):
            theirs.check_model_readiness("none")
    pairs = [client.ask("fm", {"user_id": user, "movie_id": movie}) for user, movie in ((11, 103), (13, 101))]
    assert (answer.id, answer.model_name, answer.model_version) == ("42", "fm", "1.0")
    assert answer.outputs[0].dict() == {
        "name": "score",
        "datatype": "FP64",
        "shape": [2],
        "data": [one["score"] for one in pairs],
    }
