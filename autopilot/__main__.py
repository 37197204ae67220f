"""The command line: ``python -m autopilot MODEL --help``."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field

import tyro
from tyro.conf import OmitArgPrefixes, Positional

from feedback.database import URLError
from feedback.experiments import ExperimentError
from feedback.store import StoreDown
from serving.__main__ import MENDABLE as OF_SERVING
from serving.gate import Tolerance
from serving.options import Model, ServerOptions
from serving.retrain import Training
from serving.server import ServerError

from .alert import GOOD, Alert
from .errors import AutopilotError
from .run import Run, Watching
from .state import State

MENDABLE = (*OF_SERVING, AutopilotError, ExperimentError, StoreDown, URLError)


@dataclass(frozen=True)
class Autopilot:
    """Retrain a model, roll the new version out if it is no worse, watch it, and roll it back if it does harm.

    A run that was killed goes on when this is run again. The exit code is 0 where the new version stays, else 1.
    """

    model: Positional[Model]
    drain: float | None = None
    """Seconds from an empty queue to a version's end (its responseTimeout by default)."""
    training: OmitArgPrefixes[Training] = field(default_factory=Training)
    tolerance: OmitArgPrefixes[Tolerance] = field(default_factory=Tolerance)
    watching: OmitArgPrefixes[Watching] = field(default_factory=Watching)
    alert: OmitArgPrefixes[Alert] = field(default_factory=Alert)
    options: OmitArgPrefixes[ServerOptions] = field(default_factory=ServerOptions)

    def run(self) -> int:
        """Run; returns the exit code."""
        try:
            server = self.options.running()
        except ServerError as error:
            self.alert.failed(State(model=self.model, started=time.time(), version="", before=""), str(error))
            raise
        how = (self.training, self.tolerance, self.watching, self.alert, self.drain)
        state = Run(server, self.model, *how).run()
        print(f"{state.model} {state.version}: {state.outcome}. {state.why}", flush=True)
        return int(state.outcome != GOOD)


def main(arguments: list[str]) -> None:
    """Run once; an error that the user can mend is one line, and exit code 1."""
    try:
        sys.exit(tyro.cli(Autopilot, prog="python -m autopilot", args=arguments).run())
    except MENDABLE as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
