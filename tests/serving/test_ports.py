"""Ports that another process has: found before anything is started, never taken."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from serving import ports
from serving.config import CONFIG, ROOT, properties
from serving.ports import PortError
from serving.server import Server
from tests.conftest import server_on_free_ports
from web.settings import Settings


def test_one_offset_moves_every_port_of_the_server_and_of_the_page() -> None:
    usual, moved = properties(CONFIG), ports.moved(properties(CONFIG), 100)
    at = {name: port for name, (_, port) in ports.addresses(usual).items()}
    assert sorted(at.values()) == [7070, 7071, 8080, 8081, 8082]
    assert {name: port for name, (_, port) in ports.addresses(moved).items()} == {
        name: port + 100 for name, port in at.items()
    }
    assert {name for name in usual if usual[name] != moved[name]} == set(at)
    assert Server(port_offset=100).inference == Settings.from_environment({"PORT_OFFSET": "100"}).torchserve_url
    assert Settings().torchserve_url == Server().inference
    assert Settings.from_environment({"PORT_OFFSET": "100"}).port == Settings().port + 100 == ports.PAGE + 100
    with pytest.raises(PortError, match="PORT_OFFSET=60000 moves port 8080"):
        ports.moved(usual, 60_000)


def test_a_server_without_grpc_has_no_port_to_move() -> None:
    settings = properties(CONFIG) | {"grpc_inference_port": "0"}
    assert "grpc_inference_port" not in ports.addresses(settings)
    assert ports.moved(settings, 100)["grpc_inference_port"] == "0"


def test_a_taken_port_is_named_with_its_holder_and_our_ports_can_move(
    tmp_path: Path, taken_port: tuple[int, int]
) -> None:
    port, pid = taken_port
    for name in ("inference_address", "management_address", "metrics_address", "grpc_inference_port"):
        value = str(port) if name.endswith("_port") else f"http://127.0.0.1:{port}"
        server = server_on_free_ports(tmp_path, tmp_path / "home", **{name: value})
        with pytest.raises(PortError) as caught:
            server.start()
        said = str(caught.value)
        assert f"port {port} ({name}) is taken by " in said
        assert f"process {pid} of" in said
        assert f"in {tmp_path}" in said
        assert not re.search("stop|end|kill", said.replace("beside", "")), "it may be anybody's"
        offset = int(re.search(r"PORT_OFFSET=(\d+)", said)[1])
        assert ports.is_free("127.0.0.1", port + offset)
        assert server.process() is None


def test_a_port_on_every_interface_counts_too(taken_port: tuple[int, int]) -> None:
    assert not ports.is_free("0.0.0.0", taken_port[0])
    assert ports.is_free("::1", taken_port[0])
    with socket.create_server(("0.0.0.0", 0)) as everywhere:
        assert not ports.is_free("127.0.0.1", everywhere.getsockname()[1])


def test_no_other_process_is_given_a_port_that_is_chosen_and_the_system_gives_it_to_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program = "from serving.ports import free_ports; print(*free_ports(20), flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        theirs = set(map(int, other.stdout.readline().split()))
        assert len(theirs) == 20
        assert ports.FIRST <= min(theirs) < max(theirs) < ports._first_of_the_system()
        one = min(theirs)
        monkeypatch.setattr(ports, "FIRST", one)
        monkeypatch.setattr(ports, "_first_of_the_system", lambda: one + 1)
        with pytest.raises(PortError, match="there are no 1 free ports"):
            ports.free_ports(1)
        other.communicate("\n")
    assert ports.free_ports(1) == [one]


def test_the_workers_of_a_server_that_was_killed_are_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = server_on_free_ports(tmp_path, tmp_path, host="asgi")
    found = [False, False, False]
    monkeypatch.setattr(ports, "is_free", lambda host, port: not found or found.pop())
    with pytest.raises(PortError):
        server._check_ports()
    server._pid_file.parent.mkdir()
    server._pid_file.touch()
    found += [False, False]
    server._check_ports()
    assert not found


@pytest.mark.parametrize(("first", "end"), [("32768", 32768), ("16000", 16000), ("1024", 65536), (None, 32768)])
def test_ports_are_chosen_below_those_of_the_system_where_it_leaves_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str | None, end: int
) -> None:
    if first:
        (tmp_path / "range").write_text(f"{first}\t60999\n")
    monkeypatch.setattr(ports, "Path", lambda _: tmp_path / "range")
    assert ports._first_of_the_system() == end
