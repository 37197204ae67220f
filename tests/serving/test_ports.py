"""Ports that somebody else has: found before anything is started, never taken, never asked."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serving import ports
from serving.__main__ import main
from serving.ports import PortError
from serving.server import CONFIG, ROOT, Server, ServerError, properties
from serving.where import Where
from tests.conftest import server_on_free_ports
from web import __main__ as page
from web.settings import Settings

LISTEN = """
import socket, sys
with socket.create_server(("127.0.0.1", 0)) as server:
    print(server.getsockname()[1], flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def others(tmp_path: Path) -> Iterator[tuple[int, int]]:
    """A port that another process listens on, and that process."""
    command = [sys.executable, "-c", LISTEN]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        yield int(process.stdout.readline()), process.pid
        process.stdin.close()


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


def test_a_taken_port_is_named_with_its_holder_and_our_ports_can_move(tmp_path: Path, others: tuple[int, int]) -> None:
    port, pid = others
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


def test_a_port_on_every_interface_counts_too(others: tuple[int, int]) -> None:
    assert not ports.is_free("0.0.0.0", others[0])
    assert ports.is_free("::1", others[0])
    with socket.create_server(("0.0.0.0", 0)) as everywhere:
        assert not ports.is_free("127.0.0.1", everywhere.getsockname()[1])


def test_ports_are_looked_at_by_a_command_of_its_own(tmp_path: Path, others: tuple[int, int], monkeypatch) -> None:
    config = tmp_path / "config.properties"
    config.write_text("".join(f"{name}={value}\n" for name, value in ports.on_free_ports().items()))
    where = ["--config", str(config), "--store", str(tmp_path), "--home", str(tmp_path / "home")]
    main(["ports", *where])
    monkeypatch.setattr(ports, "PAGE", others[0])
    main(["ports", *where])
    with pytest.raises(SystemExit, match=rf"error: port {others[0]} \(the page\) is taken by .*PORT_OFFSET="):
        main(["ports", "--page", *where])
    monkeypatch.setenv("PORT_OFFSET", "some")
    with pytest.raises(SystemExit, match="error: PORT_OFFSET is 'some': give a whole number"):
        main(["ports", *where])


def start_page(monkeypatch: pytest.MonkeyPatch, *options: str, **environment: str) -> dict[str, Any]:
    """What uvicorn is told by ``python -m web``; nothing listens."""
    told: dict[str, Any] = {}
    monkeypatch.delenv("PORT", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["web", *options])
    monkeypatch.setattr(page.uvicorn, "run", lambda app, **named: told.update(named))
    page.main()
    return told


def test_the_page_does_not_start_where_somebody_listens(others: tuple[int, int], monkeypatch) -> None:
    taken, advice = rf"^error: Address already in use .*{others[0]}[^;]*", "; another PORT_OFFSET moves the page"
    with pytest.raises(SystemExit, match=f"{taken}{advice}"):
        start_page(monkeypatch, PORT_OFFSET=str(others[0] - ports.PAGE))
    with pytest.raises(SystemExit, match=f"{taken}$"):
        start_page(monkeypatch, "--port", str(others[0]))
    with pytest.raises(SystemExit, match=f"{taken}$"):
        start_page(monkeypatch, PORT=str(others[0]))


def test_the_advice_about_ports_is_for_ports_alone(monkeypatch) -> None:
    with pytest.raises(SystemExit, match=r"^error: Cannot assign requested address [^;]*$"):
        start_page(monkeypatch, "--host", "192.0.2.1")  # of no machine


@pytest.mark.parametrize(
    ("host", "family", "shown"), [("::1", socket.AF_INET6, "[::1]"), ("127.0.0.1", socket.AF_INET, "127.0.0.1")]
)
def test_the_page_listens_on_either_family(host, family, shown, monkeypatch, capsys) -> None:
    tried = []

    def create_server(address: tuple[str, int], family: int) -> socket.socket:
        tried.append((address, family))
        return socket.socket()

    monkeypatch.setattr(page.socket, "create_server", create_server)
    assert start_page(monkeypatch, "--host", host, "--port", "8123")["host"] == host
    assert tried == [((host, 8123), family)]
    assert f"The page is at http://{shown}:8123," in capsys.readouterr().out


ASKING = [
    ["status"],
    ["address"],
    ["demo"],
    ["register", "fm", "--version", "1.1"],
    ["unregister", "fm", "--version", "1.1"],
    ["rollout", "fm", "--version", "1.1"],
    ["rollback", "fm"],
    ["retrain", "fm"],
]


@pytest.mark.parametrize("command", ASKING, ids=lambda one: one[0])
def test_nobody_elses_server_is_asked_or_changed(tmp_path: Path, server: Server, command: list[str]) -> None:
    where = ["--config", str(server.started_with), "--store", str(tmp_path), "--home", str(tmp_path)]
    with pytest.raises(SystemExit, match=f"error: no TorchServe runs from {tmp_path}: make serve starts it"):
        main([*command, *where])


def test_every_command_finds_the_server_that_runs_wherever_it_listens(server: Server, capsys) -> None:
    where = ["--store", str(server.store), "--home", str(server.home)]
    main(["address", *where])
    assert capsys.readouterr().out == f"{server.inference}\n"
    main(["start", "--port-offset", "100", *where])
    said = capsys.readouterr().out
    assert said.startswith(f"TorchServe was running already and answers at {server.inference}")
    assert re.search(r"models: deepfm 1\.0.*, fm 1\.0.*, mf 1\.0", said)


def test_a_running_server_is_asked_with_its_own_store(server: Server, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("SERVING_STORE", str(tmp_path))
    assert Where(home=server.home).running().store == server.store
    assert Where(home=server.home, store=server.store).running().store == server.store
    with pytest.raises(ServerError, match=rf"serves {server.store}, and --store is {tmp_path}: leave --store out"):
        Where(home=server.home, store=tmp_path).running()


def test_a_server_that_is_to_be_started_gets_the_store_that_is_named(tmp_path: Path, monkeypatch) -> None:
    assert Where(home=tmp_path).server().store == ROOT / "model_store"
    monkeypatch.setenv("SERVING_STORE", str(tmp_path / "other"))
    assert Where(home=tmp_path).server().store == tmp_path / "other"
    assert Where(home=tmp_path, store=tmp_path).server().store == tmp_path


def dry(*words: str) -> subprocess.CompletedProcess[str]:
    """What make would do; without the variables of a make that runs the tests."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(["make", "--dry-run", *words], cwd=ROOT, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("goals", [["demo"], ["train", "archive", "serve"], ["archive", "serve"]], ids=" ".join)
def test_make_looks_at_the_ports_before_anything_else(goals: list[str]) -> None:
    steps = [line for line in dry(*goals).stdout.splitlines() if "-m training" in line or "-m serving" in line]
    assert "-m serving ports" in steps[0]
    assert ("--page" in steps[0]) == (goals == ["demo"])


@pytest.mark.parametrize("goals", [["register"], ["rollout"], ["unregister"], ["train", "archive", "rollout"]])
def test_make_puts_no_version_in_or_out_that_was_not_named(goals: list[str]) -> None:
    refused = dry(*goals, "MODEL=fm")
    assert refused.returncode == 2
    assert f"VERSION is missing: make {' '.join(goals)} MODEL=fm VERSION=1.1" in refused.stderr
    assert f"-m serving {goals[-1]} $model --version 1.1" in dry(*goals, "MODEL=fm", "VERSION=1.1").stdout


def test_make_passes_options_on() -> None:
    for goal in ("rollout", "rollback"):
        options = "--keep --drain 5" + (" --p99 1 --downgrade" if goal == "rollout" else "")
        assert f"{options} ||" in dry(goal, "MODEL=fm", "VERSION=1.1", f"GATE={options}").stdout


@pytest.mark.parametrize("command", ["register", "rollout", "unregister"])
def test_a_version_has_to_be_named(command: str, capsys) -> None:
    with pytest.raises(SystemExit):
        main([command, "fm"])
    assert "--version" in capsys.readouterr().err
