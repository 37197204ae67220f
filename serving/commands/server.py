"""The commands about the server as a whole."""

from __future__ import annotations

from dataclasses import dataclass, field

from tyro.conf import OmitArgPrefixes

from .. import ports
from ..options import ServerOptions
from ..server import Host, ServerError


@dataclass(frozen=True)
class Command:
    """The options of every command."""

    options: OmitArgPrefixes[ServerOptions] = field(default_factory=ServerOptions)


@dataclass(frozen=True)
class Ports(Command):
    """Check that no other process listens on the ports of the server, where the server does not run yet."""

    page: bool = False
    """The page's port too."""

    def run(self) -> None:
        """Check."""
        server, offset = self.options.server(), self.options.port_offset
        wanted = {} if server.process() else ports.addresses(server.settings)
        page = {"the page": ("127.0.0.1", ports.PAGE + offset)} if self.page else {}
        ports.check(wanted | page, offset)


@dataclass(frozen=True)
class Start(Command):
    """Start the server in the background and wait until it answers."""

    host: Host = "torchserve"
    """TorchServe, or our own server, which needs no Java (docs/hosts.md)."""

    def run(self) -> None:
        """Start, and print which models answer."""
        from ..status import answering

        server = self.options.server()
        server.host = self.host
        new = server.start()
        name = "TorchServe" if self.host == "torchserve" else "The server"
        print(
            f"{name} {'answers' if new else 'was running already and answers'} at {server.inference}, "
            f"its management API at {server.management}; models: {answering(server)}"
        )


@dataclass(frozen=True)
class Address(Command):
    """Print the address of the running server's inference API, for clients on this machine."""

    def run(self) -> None:
        """Print it."""
        print(self.options.running().inference.replace("//0.0.0.0:", "//127.0.0.1:"))


@dataclass(frozen=True)
class Stop(Command):
    """Stop the server and its workers."""

    def run(self) -> None:
        """Stop."""
        print("the server has stopped" if self.options.server().stop() else "no server was running")


@dataclass(frozen=True)
class Run(Command):
    """Run TorchServe in the foreground, as a container or a service does; SIGTERM drains it."""

    drain: float = 10.0
    """Seconds from empty queues to the end: as long as the slowest request may take."""

    def run(self) -> None:
        """Run."""
        from ..foreground import run

        run(self.options.server(), self.drain)


@dataclass(frozen=True)
class Ready(Command):
    """Exit with 0 where every model is registered and all its workers are ready, with 1 otherwise."""

    def run(self) -> None:
        """Ask."""
        if not self.options.server().ready():
            raise ServerError("not ready")


@dataclass(frozen=True)
class Status(Command):
    """Show models, versions, workers, queues and errors as a table, or say that no server runs."""

    def run(self) -> None:
        """Print the table."""
        from ..status import show

        server = self.options.server()
        if server.process():
            show(server)
        else:  # an answer as any other, and no error
            print(f"no server runs from {server.home}: make serve starts it")


@dataclass(frozen=True)
class Demo(Command):
    """Ask the running server for one answer of each kind."""

    def run(self) -> None:
        """Ask and print."""
        from ..demo import show

        show(self.options.running().inference)
