"""The commands about the versions of a model."""

from __future__ import annotations

from dataclasses import dataclass, field

import tyro
from tyro.conf import OmitArgPrefixes, Positional

from archives.contents import file_name
from archives.store import locked
from archives.verify import verify_into

from ..experiments import compared
from ..gate import Tolerance
from ..options import Model
from ..retrain import Training, next_version
from ..rollout import Rollout, RolloutRefused, rollback
from ..versions import BY_HAND, Versions
from .server import Command


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
        from .. import console

        console.run(Rollout(self.options.running(), self.model, self.version, *settings))


@dataclass(frozen=True)
class RollBack(Switching):
    """Return to the version that answered before the present one."""

    model: Positional[Model] = tyro.MISSING

    def run(self) -> None:
        """Roll back."""
        from .. import console

        console.run(rollback(self.options.running(), self.model, keep=self.keep, drain=self.drain))


@dataclass(frozen=True)
class Retrain(Switching):
    """Train on the log as it is now, pack the next version and roll it out: the nightly command."""

    model: Positional[Model] = tyro.MISSING
    training: OmitArgPrefixes[Training] = field(default_factory=Training)
    tolerance: OmitArgPrefixes[Tolerance] = field(default_factory=Tolerance)

    def run(self) -> None:
        """Train, pack, roll out."""
        from .. import console

        server = self.options.running()
        version = next_version(server.store, self.model, Versions(server, self.model).registered())
        rollout = Rollout(server, self.model, version, None, self.tolerance, self.keep, self.drain, why="retrain")
        rollout.check()  # before hours of training
        self.training.make(server.store, self.model, version)
        console.run(rollout)
