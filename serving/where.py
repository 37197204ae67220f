"""Which server a command is about."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from .ports import PortError
from .server import CONFIG, ROOT, Server, ServerError


@dataclass(frozen=True)
class Where:
    """Which server. The image sets the defaults through SERVING_CONFIG (separated by colons), _STORE and _HOME."""

    config: tuple[Path, ...] = tuple(map(Path, os.environ.get("SERVING_CONFIG", str(CONFIG)).split(":")))
    """Its configuration files; a later one's settings win."""
    store: Path = Path(os.environ.get("SERVING_STORE", ROOT / "model_store"))
    """Its archives."""
    home: Path = Path(os.environ.get("SERVING_HOME", ROOT / "logs"))
    """Its own folder: logs, sockets, tokens."""
    port_offset: int = field(default_factory=lambda: _number("PORT_OFFSET"))
    """Added to each of its ports and to the page's (PORT_OFFSET by default)."""

    def server(self) -> Server:
        """The server. While it runs, it is what it was started as, whatever this command was told."""
        server = Server(self.store, self.home, config=self.config, port_offset=self.port_offset)
        if server.process():
            return Server(self.store, self.home, config=[server.started_with])
        return server

    def running(self) -> Server:
        """The server, which must run: what else answers at its addresses is somebody else's."""
        server = self.server()
        if not server.process():
            raise ServerError(f"no TorchServe runs from {server.home}: make serve starts it")
        return server


def _number(variable: str) -> int:
    """The whole number in a variable of the environment, 0 where it is not set."""
    given = os.environ.get(variable) or "0"
    try:
        return int(given)
    except ValueError:
        raise PortError(f"{variable} is {given!r}: give a whole number, such as 100") from None
