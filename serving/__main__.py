"""The command line: ``python -m serving {start,stop,run,ready,status,register,rollout,...} --help``."""

from __future__ import annotations

import sys

import requests
import tyro

from archives.errors import ArchiveRefused, StoreError
from client.recommender_client import RecommenderError

from .asgi.command import Asgi
from .commands.server import Address, Demo, Ports, Ready, Run, Start, Status, Stop
from .commands.versions import Register, Retrain, RollBack, RollOut, Unregister
from .experiments import ExperimentsUnknown
from .management import ManagementError
from .ports import PortError
from .retrain import RetrainError
from .rollout import RolloutRefused
from .server import ServerError

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
