"""What a server that runs for long may take: versions of the store, time of a load, connections."""

from __future__ import annotations

import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path

import pytest
import requests

from serving.__main__ import main
from serving.asgi.bounds import Bounds
from serving.asgi.errors import QueueFull
from serving.asgi.worker import Settings, State
from serving.asgi.workers import WorkerHangs, Workers
from serving.server import Server, ServerError
from serving.versions import Versions
from tests.archives.packing import repack
from tests.conftest import Client, server_on_free_ports
from tests.serving.conftest import options_of
from tests.waiting import wait

PAIR = {"user_id": 11, "movie_id": 103}


SMALL = """
import gc, json, sys, weakref


class Answer:
    code = 200

    def __init__(self):
        versions = [known.version for known in map(weakref.ref.__call__, sys.versions_loaded) if known]
        self.body = json.dumps(dict(version="{version}", loaded=versions, aside=gc.get_freeze_count() > 1000)).encode()


class Hosted:
    model, version, batch_size, device, id_types = "fm", "{version}", 4, "cpu", {{}}

    def __init__(self, folder):
        {load}

    def answer(self, requests):
        return [Answer() for _ in requests]

    def counts(self):
        return ()


sys.versions_loaded = [*getattr(sys, "versions_loaded", ()), weakref.ref(Hosted)]
"""


def small(parent: Path, version: str, load: str = "pass") -> str:
    """The folder of an unpacked archive that does ``load`` when it is loaded, and answers by what is in memory.

    These are the versions whose code is there, and whether the collector of garbage leaves alone what is loaded.
    """
    hosts = parent / f"fm-{version}" / "recommender" / "hosts"
    hosts.mkdir(parents=True)
    for package in (hosts, hosts.parent):
        (package / "__init__.py").touch()
    (hosts / "asgi.py").write_text(SMALL.format(version=version, load=load))
    return str(hosts.parents[1])


def versions(workers: Workers) -> list[str]:
    """Those that the worker serves; none while it starts."""
    try:
        return [one["version"] for one in workers.call("status")[0]]
    except QueueFull:
        return []


@pytest.fixture
def nights(store: Path, tmp_path: Path) -> Iterator[Server]:
    """A server that loads no version but the default, fm 1.1, which was rolled out over 1.0, and was started again."""
    folder = tmp_path / "store"
    folder.mkdir()
    for name in ("fm-1.0.mar", "fm.mar"):
        shutil.copyfile(store / "fm-1.0.mar", folder / name)
    server = server_on_free_ports(folder, tmp_path / "home", host="asgi", other_versions="0")
    server.start()
    try:
        repack(folder / "fm-1.0.mar", folder / "fm-1.1.mar", "1.1")
        main(["rollout", "fm", "--version", "1.1", *options_of(server)])
        server.stop()
        server.start()
        yield server
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("name", "bad", "least"), [("other_versions", "-1", 0), ("load_timeout", "0", 1), ("max_connections", "0", 1)]
)
def test_a_bound_that_is_none_is_refused(name: str, bad: str, least: int) -> None:
    for value in (bad, "many", "1.5"):
        with pytest.raises(ServerError, match=f"{name} is '{value}' .*: give a whole number of at least {least}"):
            Bounds.of({name: value})


def test_a_version_that_is_not_loaded_returns_by_a_rollback(nights: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert Versions(nights, "fm").registered() == ["1.1"]
    main(["status", *options_of(nights)])
    assert "1.1" in (shown := capsys.readouterr().out)
    assert "1.0" not in shown
    assert "fm 1.0: in the store and not loaded" in (nights.home / "console.log").read_text()
    main(["rollback", "fm", *options_of(nights)])
    assert Client(nights).post("fm", PAIR).headers["X-Model-Version"] == "1.0"
    assert Versions(nights, "fm").registered() == ["1.0"]


def test_a_load_that_hangs_is_refused_and_the_other_versions_answer(tmp_path: Path) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    url = "http://{}:{}/predictions/fm".format(*listener.getsockname())
    workers = Workers([listener], Settings(10, 1000), State([small(tmp_path, "1.0")], {"fm": "1.0"}))
    workers.start()
    try:
        assert requests.post(url, json={}, timeout=60).json()["version"] == "1.0"
        workers.load_timeout = 0.1
        with pytest.raises(WorkerHangs, match=r"did not load it within 0\.1 s \(load_timeout\), and was ended"):
            workers.add(small(tmp_path, "1.1", "import threading; threading.Event().wait()"))
        workers.load_timeout = 300
        wait(lambda: versions(workers) == ["1.0"])
        assert requests.post(url, json={}, timeout=60).json()["version"] == "1.0"
        assert workers.add(small(tmp_path, "1.2")) == ("fm", "1.2")
    finally:
        workers.stop()


def test_a_start_that_hangs_ends_and_names_the_archive(tmp_path: Path) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    hanging = small(tmp_path, "1.1", "import threading; threading.Event().wait()")
    workers = Workers([listener], Settings(10, 1000), State([small(tmp_path, "1.0"), hanging], {"fm": "1.0"}))
    workers._launch(0)
    while (told := workers._connections[0].recv()) != (None, hanging):
        assert told[0] is None
    workers.load_timeout = 0.1
    try:
        with pytest.raises(ServerError, match=r"a worker did not load .* within 0\.1 s"):
            workers._await(0)
        workers._processes[0].join(60)
        assert not workers._processes[0].is_alive()
    finally:
        workers.stop()


def test_a_connection_too_many_is_503_and_closed_and_the_others_go_on(tmp_path: Path) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()
    settings = Settings(10, 1000, connections=2)
    workers = Workers([listener], settings, State([small(tmp_path, "1.0")], {"fm": "1.0"}))
    workers.start()

    def asked(connection: HTTPConnection) -> int:
        connection.request("POST", "/predictions/fm", b"{}")
        answer = connection.getresponse()
        answer.read()
        return answer.status

    with ExitStack() as end:
        end.callback(workers.stop)
        first, second, third = [end.enter_context(closing(HTTPConnection(*address, timeout=60))) for _ in range(3)]
        assert [asked(first), asked(second)] == [200, 200]
        with socket.create_connection(address, timeout=60) as silent:
            said = b"".join(iter(lambda: silent.recv(4096), b""))
        assert said.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        assert said.endswith(b'"message":"too many connections are open: try again"}')
        assert asked(third) == 503
        assert third.sock is None, "it is closed"
        assert workers.call("take")[0]["codes"] == {503: 2}
        assert [asked(first), asked(second)] == [200, 200]
        first.close()
        deadline = time.monotonic() + 60
        while (status := asked(third)) == 503:  # until the server has noticed
            assert time.monotonic() < deadline
        assert status == 200


def test_what_is_loaded_is_set_aside_and_what_is_taken_out_is_let_go_of(tmp_path: Path) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    url = "http://{}:{}/predictions/fm".format(*listener.getsockname())
    folders = [small(tmp_path, version) for version in ("1.0", "1.1")]
    workers = Workers([listener], Settings(10, 1000), State(folders, {"fm": "1.0"}))
    workers.start()
    try:
        for version in ("1.0", "1.1"):
            assert requests.post(f"{url}/{version}", json={}, timeout=60).ok
        workers.add(added := small(tmp_path, "1.2"))
        assert requests.post(url, json={}, timeout=60).json() == {
            "version": "1.0",
            "loaded": ["1.0", "1.1", "1.2"],
            "aside": True,
        }
        workers.remove("fm", "1.1", folders[1])
        workers.remove("fm", "1.2", added)
        assert requests.post(url, json={}, timeout=60).json() == {"version": "1.0", "loaded": ["1.0"], "aside": True}
    finally:
        workers.stop()
