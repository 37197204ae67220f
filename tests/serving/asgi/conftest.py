"""The server with the planted models (``asgi_server`` of tests/conftest.py), and bytes sent to it as they are."""

from __future__ import annotations

import socket
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from serving.server import Server
from tests.conftest import Client


@pytest.fixture(scope="session")
def client(asgi_server: Server) -> Client:
    return Client(asgi_server)


@pytest.fixture
def raw(asgi_server: Server) -> Callable[..., bytes]:
    """Sends pieces on one connection, and returns all that comes back until the server closes it."""
    address = urlsplit(asgi_server.inference)

    def send(*pieces: bytes) -> bytes:
        with socket.create_connection((address.hostname, address.port), timeout=60) as connection:
            for piece in pieces:
                connection.sendall(piece)
            received = b""
            while more := connection.recv(65536):
                received += more
            return received

    return send
