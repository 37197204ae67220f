"""The command line: ``python -m serving {start,stop,status,register,default,demo} --help``."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Literal

import tyro
from tyro.conf import Positional

from .management import Management, ManagementError
from .server import Server, ServerError

Model = Literal["mf", "fm", "deepfm"]


@dataclass(frozen=True)
class Start:
    """Start TorchServe with the default versions and wait until they answer."""

    def run(self) -> None:
        """Start."""
        server = Server()
        server.start()
        print(f"TorchServe answers at {server.inference}, its management API at {server.management}")


@dataclass(frozen=True)
class Stop:
    """Stop TorchServe and its workers."""

    def run(self) -> None:
        """Stop."""
        print("TorchServe has stopped" if Server().stop() else "TorchServe was not running")


@dataclass(frozen=True)
class Status:
    """Show models, versions, workers and queues as a table."""

    def run(self) -> None:
        """Print the table."""
        from rich.console import Console
        from rich.table import Table

        management = Management(Server().management)
        table = Table("model", "version", "default", "workers", "device", "queue", "batch")
        for model in management.models():
            default = management.describe(model)["modelVersion"]
            for version in management.versions(model):
                states = [worker["status"] for worker in version["workers"]]
                table.add_row(
                    model,
                    version["modelVersion"],
                    "yes" if version["modelVersion"] == default else "",
                    f"{states.count('READY')} of {len(states)} ready",
                    version["deviceType"],
                    str(version["jobQueueStatus"]["pendingRequests"]),
                    str(version["batchSize"]),
                )
        Console().print(table)


@dataclass(frozen=True)
class Register:
    """Register a version of a model from the model store beside the ones that are served."""

    model: Positional[Model]
    version: str = "1.0"
    """The version, as in model_store/<model>-<version>.mar."""

    def run(self) -> None:
        """Register."""
        server = Server()
        archive = f"{self.model}-{self.version}.mar"
        if not (server.store / archive).is_file():
            raise ManagementError(f"{server.store / archive} does not exist: make archive first")
        new = Management(server.management).register(archive)
        print(f"{self.model} {self.version} {'is registered' if new else 'was registered already'}")


@dataclass(frozen=True)
class Demo:
    """Ask the running server for one answer of each kind."""

    def run(self) -> None:
        """Ask and print."""
        from .demo import show

        show(Server().inference)


COMMANDS = {"start": Start, "stop": Stop, "status": Status, "register": Register, "demo": Demo}


def main(arguments: list[str]) -> None:
    """Run one command; an error that the user can mend is one line, and exit code 1."""
    try:
        tyro.extras.subcommand_cli_from_dict(COMMANDS, prog="python -m serving", args=arguments).run()
    except (ManagementError, ServerError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
