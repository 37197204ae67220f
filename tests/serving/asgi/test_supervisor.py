"""The server as processes: two workers, killed and drained, and a default that changes under load."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc
import psutil
import pytest
import requests

from archives.errors import ArchiveRefused
from client.stubs.open_inference_pb2 import ModelInferRequest
from client.stubs.open_inference_pb2_grpc import GRPCInferenceServiceStub
from serving.__main__ import main
from serving.asgi.fleet import load_all
from serving.asgi.supervisor import run, unpack_store
from serving.management import CallRefused, Management
from serving.server import Server, ServerError
from serving.versions import Versions
from tests.archives.packing import repack
from tests.archives.test_packed_before import PACKED as PACKED_BEFORE
from tests.conftest import Client, server_on_free_ports
from tests.serving.conftest import options_of
from tests.serving.traffic import Clients
from tests.waiting import wait

PAIR = {"user_id": 11, "movie_id": 103}


@pytest.fixture(scope="module")
def pair_of_workers(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """fm 1.0, the default, and 1.1, in two workers."""
    folder = tmp_path_factory.mktemp("fm_store")
    for name in ("fm-1.0.mar", "fm.mar"):
        shutil.copyfile(store / "fm-1.0.mar", folder / name)
    repack(folder / "fm-1.0.mar", folder / "fm-1.1.mar", "1.1")
    home = tmp_path_factory.mktemp("pair")
    running = server_on_free_ports(folder, home, host="asgi", default_workers_per_model="2")
    running.start()
    yield running
    running.stop()


@pytest.fixture
def management(pair_of_workers: Server) -> Management:
    return Management(pair_of_workers.management)


def versions_that_answer(server: Server) -> set[str]:
    """Of twenty connections, so of both workers."""
    url = f"{server.inference}/predictions/fm"
    return {requests.post(url, json=PAIR, timeout=30).headers["X-Model-Version"] for _ in range(20)}


def workers(server: Server) -> list[int]:
    """Their processes; one that was killed is named until the next one has started."""
    return [worker["pid"] for worker in Management(server.management).describe("fm")["workers"]]


def over_grpc(server: Server, *bodies: Any) -> list[Any]:
    """The answers to requests of the contract, by a connection of its own, so by either worker."""
    address = f"127.0.0.1:{server.settings['grpc_inference_port']}"
    elements = [json.dumps(body).encode() for body in bodies]
    tensor = {"name": "request", "datatype": "BYTES", "shape": [len(bodies)], "contents": {"bytes_contents": elements}}
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", 64 << 20)]
    with grpc.insecure_channel(address, options=options) as channel:
        stub = GRPCInferenceServiceStub(channel)
        response = stub.ModelInfer(ModelInferRequest(model_name="fm", inputs=[tensor]), timeout=60)
    return [json.loads(answer) for answer in response.outputs[0].contents.bytes_contents]


def test_both_workers_follow_a_change_and_no_request_is_lost(pair_of_workers: Server, management: Management) -> None:
    versions = Versions(pair_of_workers, "fm")
    assert sorted(versions.registered()) == ["1.0", "1.1"]
    with Clients(pair_of_workers.inference, "fm", PAIR, 8).asking() as clients:
        for version in ("1.1", "1.0", "1.1"):
            management.set_default("fm", version)
            assert versions_that_answer(pair_of_workers) == {version}
        versions.drain_and_unregister("1.0", seconds=None)
        assert versions.register_and_wait("1.0")
        management.set_default("fm", "1.0")
    assert clients.failed() == []
    assert {answer.version for answer in clients.answers} == {"1.0", "1.1"}


@pytest.mark.parametrize("path", ["fm/1.1", "fm"])
@pytest.mark.parametrize("chunked", [False, True], ids=["shortcut", "asgi"])
def test_a_request_whose_version_goes_while_its_body_comes_is_answered(
    pair_of_workers: Server, management: Management, path: str, chunked: bool
) -> None:
    versions = Versions(pair_of_workers, "fm")
    management.set_default("fm", "1.1")
    address, body = urlsplit(pair_of_workers.inference), json.dumps(PAIR).encode()
    length = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(body)
    with socket.create_connection((address.hostname, address.port), timeout=60) as connection:
        connection.sendall(b"POST /predictions/%b HTTP/1.1\r\nHost: x\r\n%b\r\n\r\n" % (path.encode(), length))
        time.sleep(0.1)
        management.set_default("fm", "1.0")
        versions.drain_and_unregister("1.1", seconds=0)
        connection.sendall(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if chunked else body)
        status = connection.recv(65536).split(b"\r\n")[0]
    assert status == (b"HTTP/1.1 200 OK" if path == "fm" else b"HTTP/1.1 404 Not Found")
    versions.register_and_wait("1.1")


def test_a_killed_worker_comes_back_with_what_is_served_now(pair_of_workers: Server, management: Management) -> None:
    management.set_default("fm", "1.1")
    before = workers(pair_of_workers)
    os.kill(before[0], signal.SIGKILL)
    wait(lambda: pair_of_workers.ready() and workers(pair_of_workers)[0] != before[0])
    assert workers(pair_of_workers)[1] == before[1]
    assert versions_that_answer(pair_of_workers) == {"1.1"}
    management.set_default("fm", "1.0")
    assert versions_that_answer(pair_of_workers) == {"1.0"}
    assert [over_grpc(pair_of_workers, PAIR) for _ in range(20)] == [[Client(pair_of_workers).ask("fm", PAIR)]] * 20


@pytest.mark.slow
def test_the_management_api_keeps_a_connection_between_the_calls_of_a_rollout(pair_of_workers: Server) -> None:
    """If it were closed while the next call is sent, that call would fail."""
    with closing(HTTPConnection(urlsplit(pair_of_workers.management).netloc, timeout=20)) as connection:
        connection.connect()
        connection.auto_open = 0  # a closed connection is an error
        for pause in (0, 8):
            time.sleep(pause)
            connection.request("GET", "/ping")
            assert connection.getresponse().read() == b'{"status":"Healthy"}'


def test_what_is_refused_changes_nothing(pair_of_workers: Server, management: Management, tmp_path: Path) -> None:
    (tmp_path / "recommender").mkdir()
    for url in (str(tmp_path), "../fm-1.0.mar", "none.mar", "", "/"):
        with pytest.raises(CallRefused, match=r"400, url is .*give the name of an archive in"):
            management.register(url, "fm")
    with pytest.raises(CallRefused, match=r"404, .*Model version: 9\.9"):
        management.set_default("fm", "9.9")
    with pytest.raises(CallRefused, match=r"400, Cannot remove default version 1\.0"):
        management.unregister("fm", "1.0")
    assert not management.register("fm-1.1.mar", "fm"), "the same version again is there already"
    assert sorted(Versions(pair_of_workers, "fm").registered()) == ["1.0", "1.1"]


def test_metrics_count_the_requests_of_both_workers(pair_of_workers: Server) -> None:
    def counted(name: str) -> float:
        text = requests.get(f"{pair_of_workers.settings['metrics_address']}/metrics", timeout=30).text
        return sum(map(float, re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE)))

    names = ("Requests2XX", "Requests4XX", "RecommenderRequests", "ts_inference_requests_total")
    before = [counted(name) for name in names]
    versions_that_answer(pair_of_workers)
    url = f"{pair_of_workers.inference}/predictions"
    requests.post(f"{url}/none", json=PAIR, timeout=30)
    requests.post(f"{url}/fm", json={"k": 0}, timeout=30)
    assert [after - one for after, one in zip(map(counted, names), before)] == [20, 2, 21, 21]


def test_the_commands_know_the_server(pair_of_workers: Server, capsys: pytest.CaptureFixture[str]) -> None:
    main(["status", *options_of(pair_of_workers)])
    assert "2 of 2 ready" in capsys.readouterr().out
    main(["address", *options_of(pair_of_workers)])
    assert capsys.readouterr().out.strip() == pair_of_workers.inference


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_sigterm_lets_what_has_arrived_be_answered(
    pair_of_workers: Server, management: Management, protocol: str
) -> None:
    client = Client(pair_of_workers)
    answers = []
    list_explained = {"user_id": 11, "k": 20, "explain": True}
    expected = client.ask("fm", list_explained)
    ask: Callable[[], list[Any]] = {
        "http": lambda: client.ask("fm", {"instances": [list_explained] * 100})["predictions"],
        "grpc": lambda: over_grpc(pair_of_workers, *[list_explained] * 100),
    }[protocol]
    asking = threading.Thread(target=lambda: answers.extend(ask()))
    asking.start()
    while asking.is_alive() and not management.describe("fm")["jobQueueStatus"]["pendingRequests"]:
        time.sleep(0.01)
    process = pair_of_workers.process()
    process.send_signal(signal.SIGTERM)
    asking.join(timeout=60)
    assert answers == [expected] * 100
    process.wait(timeout=60)
    assert pair_of_workers.process() is None
    with pytest.raises(requests.ConnectionError):
        client.post("fm", PAIR)
    with pytest.raises(grpc.RpcError):
        over_grpc(pair_of_workers, PAIR)
    pair_of_workers.start()


def test_sigterm_while_it_starts_ends_its_workers_and_leaves_nothing(store: Path, tmp_path: Path) -> None:
    server = server_on_free_ports(store, tmp_path, host="asgi")

    def start() -> None:
        with pytest.raises(ServerError, match="did not "):
            server.start()
        server._reap()

    starting = threading.Thread(target=start)
    starting.start()
    wait(lambda: server.process() and len(server.process().children(recursive=True)) >= 2)  # one is multiprocessing's
    process = server.process()
    family = process.children(recursive=True)
    process.terminate()
    assert not psutil.wait_procs([process, *family], timeout=60)[1]
    starting.join()
    assert server.process() is None
    assert not server.unpacked.exists()


def test_a_configuration_that_asks_for_tokens_is_refused(store: Path, tmp_path: Path) -> None:
    server = server_on_free_ports(store, tmp_path, disable_token_authorization="false")
    config = tmp_path / "asked.properties"
    config.write_text("".join(f"{name}={value}\n" for name, value in server.settings.items()))
    with pytest.raises(SystemExit, match=r"error: the configuration asks for tokens .*put a gateway before it"):
        main(["asgi", "--config", str(config), "--store", str(store), "--home", str(tmp_path)])


def test_a_second_server_does_not_take_the_folder_of_the_first(pair_of_workers: Server, tmp_path: Path) -> None:
    unpacked = sorted(pair_of_workers.unpacked.iterdir())
    options = ["--store", str(pair_of_workers.store), "--home", str(pair_of_workers.home), "--port-offset", "100"]
    with pytest.raises(SystemExit, match=rf"a server runs from {pair_of_workers.home} already .*another --home"):
        main(["asgi", *options])
    assert sorted(pair_of_workers.unpacked.iterdir()) == unpacked
    assert pair_of_workers.ready()


def test_a_container_that_starts_again_has_its_last_number_perhaps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psutil.Process, "cmdline", lambda _: ["python", "-m", "serving", "asgi"])
    server = server_on_free_ports(tmp_path, tmp_path)
    server.write_home()
    assert server.process() is None


def test_a_server_without_workers_is_refused(store: Path, tmp_path: Path) -> None:
    with pytest.raises(ServerError, match="--workers is 0: give at least 1"):
        run(server_on_free_ports(store, tmp_path), 0, 0)


def test_an_archive_that_is_damaged_or_cannot_be_loaded_is_left_out_unless_it_is_a_default(
    store: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = (store / "fm-1.0.mar").read_bytes()
    for name in ("fm-1.0.mar", "fm.mar"):
        (tmp_path / name).write_bytes(whole)
    (tmp_path / "fm-1.1.mar").write_bytes(whole[: len(whole) // 2])  # as a copy that was killed leaves it
    repack(store / "fm-1.0.mar", tmp_path / "fm-1.2.mar", "1.2")
    state = unpack_store(tmp_path, tmp_path / "unpacked")
    assert "fm-1.1.mar is no archive, or was damaged" in caplog.text
    assert len(state.folders) == len(list((tmp_path / "unpacked").iterdir())) == 2
    for folder in state.folders:
        if "1.2" in folder:
            (Path(folder) / "metadata.json").unlink()
    ((_, hosted),) = load_all(*state)
    assert hosted.version == "1.0"
    assert "cannot be loaded" in caplog.text
    with pytest.raises(ArchiveRefused, match="cannot be loaded"):
        load_all(state.folders, {"fm": "1.2"})
    (tmp_path / "fm.mar").unlink()
    (tmp_path / "fm-1.3.mar").write_bytes(b"half")
    with pytest.raises(ArchiveRefused, match=r"fm-1\.3\.mar is no archive"):
        unpack_store(tmp_path, tmp_path / "unpacked")


def test_a_damaged_archive_is_refused_and_leaves_nothing(pair_of_workers: Server, management: Management) -> None:
    unpacked = sorted(pair_of_workers.unpacked.iterdir())
    (pair_of_workers.store / "fm-3.0.mar").write_bytes(b"half")
    with pytest.raises(CallRefused, match=r"400, .*fm-3\.0\.mar is no archive, or was damaged"):
        management.register("fm-3.0.mar", "fm")
    (pair_of_workers.store / "fm-3.0.mar").unlink()
    assert sorted(pair_of_workers.unpacked.iterdir()) == unpacked


def test_an_old_archive_that_this_server_cannot_serve_is_left_out(store: Path, tmp_path: Path) -> None:
    for name in ("fm-1.0.mar", "fm.mar"):
        shutil.copyfile(store / "fm-1.0.mar", tmp_path / name)
    shutil.copy(PACKED_BEFORE, tmp_path)
    state = unpack_store(tmp_path, tmp_path / "unpacked")
    assert [Path(folder).name.split("-")[:2] for folder in state.folders] == [["fm", "1.0"]]
    assert state.defaults == {"fm": "1.0"}
    assert len(list((tmp_path / "unpacked").iterdir())) == 1
