"""The Open Inference Protocol v2 over gRPC: the same answers as over HTTP, and a status for each error."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
import requests
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from client.stubs.open_inference_pb2 import (
    InferParameter,
    ModelInferRequest,
    ModelInferResponse,
    ModelMetadataRequest,
    ModelReadyRequest,
    ServerLiveRequest,
    ServerMetadataRequest,
    ServerReadyRequest,
)
from client.stubs.open_inference_pb2_grpc import GRPCInferenceServiceStub
from serving.asgi import rpc
from serving.asgi.errors import QueueFull
from serving.asgi.fleet import Fleet
from serving.asgi.rpc import Health, OpenInference
from serving.server import Server
from tests.conftest import MODELS, Client

FIELDS = {"INT64": "int64_contents", "INT32": "int_contents", "UINT64": "uint64_contents", "BYTES": "bytes_contents"}


def tensor(name: str, datatype: str, data: list[Any], shape: list[int] | None = None) -> dict[str, Any]:
    elements = [one.encode() for one in data] if datatype == "BYTES" else data
    contents = {FIELDS[datatype]: elements} if data else {}
    return {"name": name, "datatype": datatype, "shape": shape or [len(data)], "contents": contents}


def pairs(datatype: str, users: list[Any], movies: list[Any]) -> list[dict[str, Any]]:
    kind = str if datatype == "BYTES" else int
    sides = {"user_id": users, "movie_id": movies}
    return [tensor(name, datatype, list(map(kind, side))) for name, side in sides.items()]


def outputs(response: ModelInferResponse) -> dict[str, list[Any]]:
    (fields,) = {len(one.contents.ListFields()) for one in response.outputs}
    assert fields == 1
    return {one.name: list(one.contents.ListFields()[0][1]) for one in response.outputs}


def code_of(call: Any, request: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as raised:
        call(request, timeout=30)
    return raised.value.code(), raised.value.details()


@pytest.fixture(scope="module")
def stub(asgi_server: Server) -> Iterator[GRPCInferenceServiceStub]:
    with grpc.insecure_channel(f"127.0.0.1:{asgi_server.settings['grpc_inference_port']}") as channel:
        yield GRPCInferenceServiceStub(channel)


def test_health_and_metadata_are_those_of_http(client: Client, stub: GRPCInferenceServiceStub) -> None:
    assert stub.ServerLive(ServerLiveRequest(), timeout=30).live
    assert stub.ServerReady(ServerReadyRequest(), timeout=30).ready
    said = stub.ServerMetadata(ServerMetadataRequest(), timeout=30)
    over_http = requests.get(f"{client.server.inference}/v2", timeout=30).json()
    assert {"name": said.name, "version": said.version, "extensions": list(said.extensions)} == over_http
    for version in ("", "1.0"):
        assert stub.ModelReady(ModelReadyRequest(name="fm", version=version), timeout=30).ready
        model = stub.ModelMetadata(ModelMetadataRequest(name="fm", version=version), timeout=30)
        over_http = requests.get(f"{client.server.inference}/v2/models/fm", timeout=30).json()
        assert (model.name, list(model.versions), model.platform) == ("fm", ["1.0"], over_http["platform"])
        for side in ("inputs", "outputs"):
            tensors = [(one.name, one.datatype, list(one.shape)) for one in getattr(model, side)]
            assert tensors == [(one["name"], one["datatype"], one["shape"]) for one in over_http[side]]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("datatype", ["INT64", "INT32", "UINT64", "BYTES"])
def test_pairs_get_the_scores_of_the_contract(
    client: Client, stub: GRPCInferenceServiceStub, model: str, datatype: str
) -> None:
    users, movies = [11, 13, 10**9], [103, 101, 103]
    instances = [{"user_id": user, "movie_id": movie} for user, movie in zip(users, movies)]
    expected = client.ask(model, {"instances": instances})["predictions"]
    request = ModelInferRequest(model_name=model, id="42", inputs=pairs(datatype, users, movies))
    response = stub.ModelInfer(request, timeout=30)
    assert (response.id, response.model_name, response.model_version) == ("42", model, "1.0")
    assert [(one.name, one.datatype, list(one.shape)) for one in response.outputs] == [
        ("score", "FP64", [3]),
        ("unknown", "BOOL", [3]),
    ]
    assert outputs(response) == {
        "score": [one["score"] for one in expected],
        "unknown": ["unknown" in one for one in expected],
    }
    request = ModelInferRequest(
        model_name=model, model_version="1.0", inputs=pairs(datatype, users, movies), outputs=[{"name": "score"}]
    )
    assert list(outputs(stub.ModelInfer(request, timeout=30))) == ["score"]


def test_users_alone_get_lists(client: Client, stub: GRPCInferenceServiceStub) -> None:
    expected = [client.ask("fm", {"user_id": user, "k": 4})["recommendations"] for user in (11, 13)]
    parameters = {"k": InferParameter(int64_param=4)}
    request = ModelInferRequest(model_name="fm", inputs=[tensor("user_id", "INT64", [11, 13])], parameters=parameters)
    response = stub.ModelInfer(request, timeout=30)
    assert [list(one.shape) for one in response.outputs] == [[2, 4], [2, 4]]
    assert outputs(response)["movie_id"] == [entry["movie_id"] for entries in expected for entry in entries]


def test_any_request_of_the_contract_is_a_tensor_of_bytes(client: Client, stub: GRPCInferenceServiceStub) -> None:
    asked = [{"movie_id": 103, "k": 2}, {"user_id": 11, "k": 0}]
    expected = client.ask("fm", {"instances": asked})["predictions"]
    request = ModelInferRequest(model_name="fm", inputs=[tensor("request", "BYTES", list(map(json.dumps, asked)))])
    assert [json.loads(one) for one in outputs(stub.ModelInfer(request, timeout=30))["answer"]] == expected


def test_many_callers_at_once_get_their_own_answers(client: Client, stub: GRPCInferenceServiceStub) -> None:
    users = [11, 13, 17, 10**9] * 100
    expected = {user: client.ask("fm", {"user_id": user, "movie_id": 103})["score"] for user in set(users)}

    def score(user: int) -> float:
        request = ModelInferRequest(model_name="fm", inputs=pairs("INT64", [user], [103]))
        return outputs(stub.ModelInfer(request, timeout=60))["score"][0]

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(score, users)) == [expected[user] for user in users]


USER = tensor("user_id", "INT64", [11])
INVALID = grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("request_", "code", "says"),
    [
        ({"model_name": "none", "inputs": [USER]}, grpc.StatusCode.NOT_FOUND, "models are deepfm, fm, mf"),
        ({"model_name": "fm", "model_version": "9.9"}, grpc.StatusCode.NOT_FOUND, "versions are 1.0"),
        ({"model_name": "é" * 100_000}, grpc.StatusCode.NOT_FOUND, "Model not found: ééé"),
        ({"model_name": "fm"}, INVALID, "inputs are nothing: give user_id and movie_id"),
        ({"model_name": "fm", "inputs": [tensor("user_id", "INT64", [1, 2], [3])]}, INVALID, "shape [3] and 2 values"),
        ({"model_name": "fm", "inputs": [USER | {"datatype": "FP32"}]}, INVALID, "'FP32': give BYTES or INT64"),
        ({"model_name": "fm", "inputs": [USER | {"datatype": ""}]}, INVALID, "'': give BYTES or INT64"),
        ({"model_name": "fm", "inputs": [USER | {"datatype": "INT32"}]}, INVALID, "shape [1] and 0 values"),
        ({"model_name": "fm", "inputs": [USER], "outputs": [{"name": "logit"}]}, INVALID, "'logit': these inputs"),
        (
            {"model_name": "fm", "inputs": [USER], "parameters": {"k": InferParameter(string_param="x")}},
            INVALID,
            "row 0: k is",
        ),
        ({"model_name": "fm", "inputs": [USER], "raw_input_contents": [b"\0" * 8]}, INVALID, "and no contents"),
        (
            {"model_name": "fm", "inputs": [tensor("user_id", "INT64", list(range(1001)))]},
            INVALID,
            "send at most 1000 at once",
        ),
    ],
)
def test_what_is_wrong_is_named(
    client: Client, stub: GRPCInferenceServiceStub, request_: dict[str, Any], code: grpc.StatusCode, says: str
) -> None:
    found, details = code_of(stub.ModelInfer, ModelInferRequest(**request_))
    assert found == code
    assert says in details
    assert client.post("fm", {"user_id": 11, "movie_id": 103}).status_code == 200


def test_a_model_that_is_not_there_is_not_ready(stub: GRPCInferenceServiceStub) -> None:
    for call, message in ((stub.ModelReady, ModelReadyRequest), (stub.ModelMetadata, ModelMetadataRequest)):
        for name, version in (("none", ""), ("fm", "9.9")):
            assert code_of(call, message(name=name, version=version))[0] == grpc.StatusCode.NOT_FOUND


def test_a_message_beyond_the_servers_limit_is_refused(client: Client, stub: GRPCInferenceServiceStub) -> None:
    limit = int(client.server.settings["max_request_size"])
    request = ModelInferRequest(model_name="fm", raw_input_contents=[b" " * (limit + 1)])
    assert code_of(stub.ModelInfer, request)[0] == grpc.StatusCode.RESOURCE_EXHAUSTED


class Aborted(Exception):
    """As gRPC's own context raises one."""


class Context:
    async def abort(self, code: grpc.StatusCode, details: str) -> None:
        raise Aborted(code, details)


def test_a_server_that_drains_is_not_ready() -> None:
    served = OpenInference(SimpleNamespace(is_ready=False))  # type: ignore[arg-type]
    assert not asyncio.run(served.ServerReady(None, None)).ready  # type: ignore[arg-type]
    checked = asyncio.run(Health(served.fleet).Check(HealthCheckRequest(), None))  # type: ignore[arg-type]
    assert checked.status == HealthCheckResponse.NOT_SERVING


@pytest.mark.parametrize("service", ["", "inference.GRPCInferenceService"])
def test_probes_ask_for_health(asgi_server: Server, service: str) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{asgi_server.settings['grpc_inference_port']}") as channel:
        health = HealthStub(channel)
        found = health.Check(HealthCheckRequest(service=service), timeout=30)
        assert found.status == HealthCheckResponse.SERVING
        status, says = code_of(health.Check, HealthCheckRequest(service="other"))
        assert (status, says) == (grpc.StatusCode.NOT_FOUND, "no such service; there is inference.GRPCInferenceService")
        status, says = code_of(lambda *asked, **how: list(health.Watch(*asked, **how)), HealthCheckRequest())
        assert (status, says) == (grpc.StatusCode.UNIMPLEMENTED, "there is Check alone: ask it again and again")


@pytest.mark.parametrize(
    ("error", "code", "status", "says"),
    [
        (RuntimeError("a secret"), 500, grpc.StatusCode.INTERNAL, "the server's log says why"),
        (QueueFull("ask again"), 503, grpc.StatusCode.UNAVAILABLE, "ask again"),
    ],
)
def test_an_error_of_the_server_is_a_status_and_is_counted(
    error: Exception, code: int, status: grpc.StatusCode, says: str
) -> None:
    def find(*_: object) -> None:
        raise error

    served = OpenInference(SimpleNamespace(find=find, codes=Counter()))  # type: ignore[arg-type]
    with pytest.raises(Aborted) as raised:
        asyncio.run(served.ModelInfer(ModelInferRequest(), Context()))  # type: ignore[arg-type]
    found, details = raised.value.args
    assert found == status
    assert says in details
    assert "secret" not in details
    assert served.fleet.codes == {code: 1}


def test_no_more_requests_are_taken_than_may_wait(tmp_path: Path) -> None:
    let_go = threading.Event()

    def answer(requests: list[Any]) -> list[Any]:
        let_go.wait(20)
        return [SimpleNamespace(code=200, body=b'{"predictions": [{"score": 4.5}]}') for _ in requests]

    async def ask() -> None:
        fleet = Fleet(10, asyncio.get_running_loop())
        fleet.add("", SimpleNamespace(model="fm", version="1.0", batch_size=1, answer=answer))  # type: ignore[arg-type]
        address = f"unix:{tmp_path}/socket"
        serving = rpc.server(fleet, address, queue=1, max_body=1000)
        await serving.start()
        async with grpc.aio.insecure_channel(address) as channel:
            stub = GRPCInferenceServiceStub(channel)
            first = stub.ModelInfer(ModelInferRequest(model_name="fm", inputs=pairs("INT64", [11], [103])))
            while not fleet.find("fm").batches.pending:
                await asyncio.sleep(0.01)
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await stub.ServerLive(ServerLiveRequest())
            assert raised.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
            let_go.set()
            assert outputs(await first) == {"score": [4.5], "unknown": [False]}
        await serving.stop(5)

    asyncio.run(ask())
