"""``python -m web``: its port, and its start."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from typing import Any

import httpx
import pytest

from serving import ports
from tests.web.conftest import PATIENCE
from web import __main__ as page
from web.app import STATIC


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


def test_the_page_does_not_start_where_somebody_listens(taken_port: tuple[int, int], monkeypatch) -> None:
    taken, advice = rf"^error: Address already in use .*{taken_port[0]}[^;]*", "; another PORT_OFFSET moves the page"
    with pytest.raises(SystemExit, match=f"{taken}{advice}"):
        start_page(monkeypatch, PORT_OFFSET=str(taken_port[0] - ports.PAGE))
    with pytest.raises(SystemExit, match=f"{taken}$"):
        start_page(monkeypatch, "--port", str(taken_port[0]))
    with pytest.raises(SystemExit, match=f"{taken}$"):
        start_page(monkeypatch, PORT=str(taken_port[0]))


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


def test_starts_from_the_command_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "web", "--port", str(port)]
    with subprocess.Popen(command, cwd=STATIC.parents[1], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert f"http://127.0.0.1:{port}" in process.stdout.readline()
        transport = httpx.HTTPTransport(retries=7)
        with httpx.Client(transport=transport, base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as client:
            assert client.get("/health").json()["status"] == "ok"
        process.terminate()
        assert process.wait(PATIENCE) in (0, -signal.SIGTERM)
