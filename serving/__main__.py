"""The command line: ``python -m serving {start,stop,run,ready,status,register,rollout,...} --help``."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import requests
import tyro
from tyro.conf import OmitArgPrefixes, Positional

from archives.contents import Format, file_name
from archives.errors import ArchiveRefused, StoreError
from archives.pack import Profile
from archives.store import locked
from archives.verify import verify_into
from client.recommender_client import RecommenderError

from . import ports
from .asgi.command import Asgi
from .config import MODELS, ROOT
from .experiments import ExperimentsUnknown, compared
from .gate import Tolerance
from .management import ManagementError
from .options import ServerOptions
from .ports import PortError
from .retrain import RetrainError, next_version, train_and_pack
from .rollout import Rollout, RolloutRefused, rollback
from .server import Host, ServerError
from .versions import BY_HAND, Versions

Model = Literal[MODELS]


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
        from .status import answering

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
        from .foreground import run

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
    """Show models, versions, workers, queues and errors as a table."""

    def run(self) -> None:
        """Print the table."""
        from .status import show

        show(self.options.running())


@dataclass(frozen=True)
class Register(Command):
    """Register a version from the model store beside the ones that are served, without making it the default."""

    model: Positional[Model] = tyro.MISSING
    version: str = tyro.MISSING
    """The version, as in model_store/<model>-<version>.mar."""

    def run(self) -> None:
        """Verify, register, and wait until it answers."""
        server = self.options.running()
        with locked(server.store):
            archive, versions = server.store / file_name(self.model, self.version), Versions(server, self.model)
            with versions.new_folder(self.version, BY_HAND) as folder:
                verify_into(folder, archive, self.model, self.version, None, server.python)
            new = versions.register_and_wait(self.version, folder)
        print(f"{self.model} {self.version} {'is registered' if new else 'was registered already'}")


@dataclass(frozen=True)
class Unregister(Command):
    """Take a version that is not the default out of service; its archive stays in the model store."""

    model: Positional[Model] = tyro.MISSING
    version: str = tyro.MISSING
    """The version, as in make status."""
    drain: float | None = None
    """Seconds from an empty queue to its end (its responseTimeout by default)."""

    def run(self) -> None:
        """Drain it, and unregister it."""
        from rich.console import Console

        server = self.options.running()
        with locked(server.store), Console().status(f"{self.model} {self.version}: waiting for its last answers"):
            found = compared(self.model)
            if found and self.version in found:
                raise RolloutRefused(found.refusal(self.model))
            Versions(server, self.model).drain_and_unregister(self.version, self.drain)
        print(f"{self.model} {self.version} is registered no more")


@dataclass(frozen=True)
class Switching(Command):
    """The options of the commands that change the default version."""

    keep: bool = False
    """Leave the old version registered, for requests that name it."""
    drain: float | None = None
    """Seconds from an empty queue to the old version's end (its responseTimeout by default)."""


@dataclass(frozen=True)
class RollOut(Switching):
    """Put a version in front of the traffic, unless it is worse than the running one."""

    model: Positional[Model] = tyro.MISSING
    version: str = tyro.MISSING
    """The version, as in model_store/<model>-<version>.mar."""
    sha256: str | None = None
    """The archive's SHA-256, from where it was built (the one pinned in the store by default)."""
    downgrade: bool = False
    """Even where it is older than the running version."""
    tolerance: OmitArgPrefixes[Tolerance] = field(default_factory=Tolerance)

    def run(self) -> None:
        """Roll out."""
        settings = (self.sha256, self.tolerance, self.keep, self.drain, self.downgrade)
        from . import console

        console.run(Rollout(self.options.running(), self.model, self.version, *settings))


@dataclass(frozen=True)
class RollBack(Switching):
    """Return to the version that answered before the present one."""

    model: Positional[Model] = tyro.MISSING

    def run(self) -> None:
        """Roll back."""
        from . import console

        console.run(rollback(self.options.running(), self.model, keep=self.keep, drain=self.drain))


@dataclass(frozen=True)
class Retrain(Switching):
    """Train on the log as it is now, pack the next version and roll it out: the nightly command."""

    model: Positional[Model] = tyro.MISSING
    train: str = ""
    """Options of python -m training train, as in --train="--data ml-1m --preset quick"."""
    build: Path = ROOT / "build"
    """Where the model is trained."""
    profile: Profile = "throughput"
    """How the archive is served."""
    format: Format = "torchscript"
    """What its network is."""
    tolerance: OmitArgPrefixes[Tolerance] = field(default_factory=Tolerance)

    def run(self) -> None:
        """Train, pack, roll out."""
        from . import console

        server = self.options.running()
        packing = ["--profile", self.profile, "--format", self.format]
        version = next_version(server.store, self.model)
        train_and_pack(server.store, self.model, self.build, shlex.split(self.train), packing, version)
        settings = (None, self.tolerance, self.keep, self.drain)
        console.run(Rollout(server, self.model, version, *settings, why="retrain"))


@dataclass(frozen=True)
class Demo(Command):
    """Ask the running server for one answer of each kind."""

    def run(self) -> None:
        """Ask and print."""
        from .demo import show

        show(self.options.running().inference)


COMMANDS = {
    "ports": Ports,
    "start": Start,
    "stop": Stop,
    "run": Run,
    "asgi": Asgi,
    "ready": Ready,
    "status": Status,
    "address": Address,
    "register": Register,
    "unregister": Unregister,
    "rollout": RollOut,
    "rollback": RollBack,
    "retrain": Retrain,
    "demo": Demo,
}
# Errors that the user can mend: printed as one line, without a traceback.
MENDABLE = (
    ArchiveRefused,
    ExperimentsUnknown,
    ManagementError,
    PortError,
    RecommenderError,
    RetrainError,
    RolloutRefused,
    ServerError,
    StoreError,
    requests.RequestException,
)


def main(arguments: list[str]) -> None:
    """Run one command; an error that the user can mend is one line, and exit code 1."""
    try:
        tyro.extras.subcommand_cli_from_dict(COMMANDS, prog="python -m serving", args=arguments).run()
    except MENDABLE as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
