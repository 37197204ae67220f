"""The command line: on a running server, and where none runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from archives.store import locked
from serving import ports
from serving.__main__ import main
from serving.server import Server
from serving.versions import Versions
from tests.serving.conftest import options_of


def test_status_shows_what_is_served_and_where_the_disk_differs(fm: Server, capsys: pytest.CaptureFixture[str]) -> None:
    main(["status", *options_of(fm)])
    shown = capsys.readouterr().out
    assert "1 of 1 ready" in shown
    assert "answers since the start" in shown
    assert "after a restart" not in shown
    (fm.store / "fm.mar").write_bytes((fm.store / "fm-1.1.mar").read_bytes())
    main(["status", *options_of(fm)])
    assert "fm 1.0 answers, and 1.1 would after a restart" in capsys.readouterr().out.replace("\n", " ")
    (fm.store / "fm.mar").write_bytes((fm.store / "fm-1.0.mar").read_bytes())


def test_what_the_user_can_mend_is_one_line(fm: Server) -> None:
    with pytest.raises(SystemExit, match=r"error: .*fm-9\.9\.mar does not exist: make archive MODEL=fm VERSION=9\.9"):
        main(["rollout", "fm", "--version", "9.9", *options_of(fm)])
    main(["ready", *options_of(fm)])
    fm.draining.touch()
    with pytest.raises(SystemExit, match="not ready"):
        main(["ready", *options_of(fm)])
    fm.draining.unlink()


def test_ports_are_looked_at_by_a_command_of_its_own(tmp_path: Path, taken_port: tuple[int, int], monkeypatch) -> None:
    config = tmp_path / "config.properties"
    config.write_text("".join(f"{name}={value}\n" for name, value in ports.on_free_ports().items()))
    where = ["--config", str(config), "--store", str(tmp_path), "--home", str(tmp_path / "home")]
    main(["ports", *where])
    monkeypatch.setattr(ports, "PAGE", taken_port[0])
    main(["ports", *where])
    with pytest.raises(SystemExit, match=rf"error: port {taken_port[0]} \(the page\) is taken by .*PORT_OFFSET="):
        main(["ports", "--page", *where])
    monkeypatch.setenv("PORT_OFFSET", "some")
    with pytest.raises(SystemExit, match="error: PORT_OFFSET is 'some': give a whole number"):
        main(["ports", *where])


ASKING = [
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


def test_status_says_that_no_server_runs_from_here_and_asks_nobody_elses(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr("serving.status.show", lambda _: pytest.fail("somebody else's server was asked"))
    main(["status", "--store", str(tmp_path), "--home", str(tmp_path)])
    assert capsys.readouterr().out == f"no server runs from {tmp_path}: make serve starts it\n"


def test_every_command_finds_the_server_that_runs_wherever_it_listens(server: Server, capsys) -> None:
    where = ["--store", str(server.store), "--home", str(server.home)]
    main(["address", *where])
    assert capsys.readouterr().out == f"{server.inference}\n"
    main(["start", "--port-offset", "100", *where])
    said = capsys.readouterr().out
    assert said.startswith(f"TorchServe was running already and answers at {server.inference}")
    assert re.search(r"models: deepfm 1\.0.*, fm 1\.0.*, mf 1\.0", said)


@pytest.mark.parametrize("command", ["register", "rollout", "unregister"])
def test_a_version_has_to_be_named(command: str, capsys) -> None:
    with pytest.raises(SystemExit):
        main([command, "fm"])
    assert "--version" in capsys.readouterr().err


def test_registering_is_refused_while_a_rollout_changes_the_store(versions: Versions, monkeypatch) -> None:
    monkeypatch.setattr("serving.options.ServerOptions.running", lambda _: versions.server)
    with locked(versions.server.store), pytest.raises(SystemExit, match="error: another rollout is changing"):
        main(["register", "fm", "--version", "1.1"])
    main(["register", "fm", "--version", "1.1"])
    assert versions.registered() == ["1.0", "1.1"]
    (folder,) = versions.server.unpacked.iterdir()  # what was verified is what is served
    assert versions.management.describe("fm", "1.1")["modelUrl"] == str(folder)


def test_what_is_no_version_is_refused_as_such(versions: Versions, monkeypatch) -> None:
    monkeypatch.setattr("serving.options.ServerOptions.running", lambda _: versions.server)
    with pytest.raises(SystemExit, match="error: version 'banana' is refused: a version is numbers separated by dots"):
        main(["rollout", "fm", "--version", "banana"])
