"""One server a port."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from serving.server import ServerError
from tests.conftest import server_on_free_ports


def test_a_port_that_another_process_serves_is_refused(tmp_path: Path) -> None:
    server = server_on_free_ports(tmp_path, tmp_path / "home")
    with socket.socket() as other:
        other.bind(("127.0.0.1", int(server.management.rpartition(":")[2])))
        other.listen()
        with pytest.raises(ServerError, match="served by another process"):
            server.start()
    assert server.process() is None
