"""What the options of the command change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from serving.__main__ import main
from serving.asgi.bounds import Bounds
from serving.config import CONFIG
from serving.server import Server


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Server, int, float]]:
    """What was started, in the place of a server."""
    calls: list[Any] = []
    monkeypatch.setattr("serving.asgi.supervisor.run", lambda *arguments: calls.append(arguments))
    return calls


@pytest.mark.parametrize(
    ("configured", "options", "address"),
    [
        ("127.0.0.1", [], "http://127.0.0.1:8080"),
        ("127.0.0.1", ["--host", "0.0.0.0", "--port", "9000"], "http://0.0.0.0:9000"),
        ("127.0.0.1", ["--host", "::"], "http://[::]:8080"),
        ("[::1]", ["--port", "9000"], "http://[::1]:9000"),
    ],
)
def test_where_it_listens(
    started: list[tuple[Server, int, float]], configured: str, options: list[str], address: str, tmp_path: Path
) -> None:
    config = tmp_path / "config.properties"
    config.write_text(f"{CONFIG.read_text()}\ninference_address=http://{configured}:8080\n")
    main(["asgi", "--config", str(config), "--home", str(tmp_path), *options])
    ((server, workers, drain),) = started
    assert (server.inference, workers, drain) == (address, 1, 0)


def test_how_many_workers(started: list[tuple[Server, int, float]], tmp_path: Path) -> None:
    config = tmp_path / "config.properties"
    config.write_text(f"{CONFIG.read_text()}\ndefault_workers_per_model=3\n")
    for options in ([], ["--workers", "2"], ["--workers", "0"]):
        main(["asgi", "--config", str(config), "--home", str(tmp_path), *options])
    assert [workers for _, workers, _ in started] == [3, 2, 0]


def test_how_many_versions(started: list[tuple[Server, int, float]], tmp_path: Path) -> None:
    config = tmp_path / "config.properties"
    config.write_text(f"{CONFIG.read_text()}\nother_versions=7\n")
    for chosen, options in ((CONFIG, []), (config, []), (config, ["--other-versions", "0"])):
        main(["asgi", "--config", str(chosen), "--home", str(tmp_path), *options])
    assert [Bounds.of(server.settings).other_versions for server, _, _ in started] == [3, 7, 0]
