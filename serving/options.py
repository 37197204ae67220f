"""The options by which every command names its server, and its model."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from .config import CONFIG, MODELS, ROOT, properties
from .ports import PortError
from .server import Server, ServerError

Model = Literal[MODELS]  # one of the configuration


@dataclass(frozen=True)
class ServerOptions:
    """The server. The image sets the defaults through SERVING_CONFIG (separated by colons), _STORE and _HOME."""

    config: tuple[Path, ...] = tuple(map(Path, os.environ.get("SERVING_CONFIG", str(CONFIG)).split(":")))
    """Its configuration files; a later one's settings win."""
    store: Path | None = None
    """Its archives (those of the running server by default; where none runs, SERVING_STORE, or model_store/)."""
    home: Path = Path(os.environ.get("SERVING_HOME", ROOT / "logs"))
    """Its own folder: logs, sockets, tokens."""
    port_offset: int = field(default_factory=lambda: _number("PORT_OFFSET"))
    """Added to each of its ports and to the page's (PORT_OFFSET by default)."""

    def server(self) -> Server:
        """The server. While it runs, its configuration is the one that it was started with, whatever the options say.

        Raises ServerError where ``store`` is given and is not the running server's.
        """
        store = self.store or Path(os.environ.get("SERVING_STORE") or ROOT / "model_store")
        server = Server(store, self.home, config=self.config, port_offset=self.port_offset)
        if not server.process():
            return server
        # A server that an earlier release has started has no model_store in its configuration.
        running = Path(properties(server.started_with).get("model_store", server.store))
        if self.store and server.store != running:
            raise ServerError(
                f"the TorchServe that runs from {server.home} serves {running}, and --store is {server.store}: "
                f"leave --store out, or give the --home of the server that serves that store"
            )
        return Server(running, self.home, config=[server.started_with])

    def running(self) -> Server:
        """The server, which must run: another process that answers at its addresses is not ours. Raises ServerError."""
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
