"""Tells people how a run ended: metrics for Prometheus, and a command of theirs."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import msgspec
from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

from .errors import AutopilotError
from .state import Outcome, State

GOOD = "rolled out"
PATIENCE = 60.0  # seconds for the command


def _run(command: str, given: bytes) -> None:
    """Run a command in a shell; where it does not end, all its processes are ended.

    Raises OSError or SubprocessError.
    """
    with subprocess.Popen(command, shell=True, stdin=subprocess.PIPE, start_new_session=True) as process:
        try:
            process.communicate(given, timeout=PATIENCE)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)


@dataclass(frozen=True)
class Alert:
    """Where people look."""

    notify: str = ""
    """A command for the shell that gets a JSON object at its standard input, whenever a run did not end well."""
    textfiles: Path | None = None
    """A folder of node_exporter's textfile collector: autopilot-<model>.prom is written there after each run."""

    def ended(self, state: State) -> None:
        """A run has ended with ``state.outcome``. Raises AutopilotError where the command or the folder fails."""
        try:
            self._write(state)
        finally:
            if state.outcome != GOOD:
                self._notify(state)

    def failed(self, state: State, why: str) -> None:
        """A run cannot go on at ``state.step``. Raises nothing: there is an error already."""
        why = f"at the step {state.step}: {why}"
        try:
            self.ended(msgspec.structs.replace(state, outcome="failed", why=why, ended=time.time()))
        except AutopilotError as error:
            print(f"error: {error}")

    def _notify(self, state: State) -> None:
        if not self.notify:
            return
        told = {name: getattr(state, name) for name in ("model", "outcome", "version", "before", "why", "ended")}
        try:
            _run(self.notify, msgspec.json.encode(told))
        except (OSError, subprocess.SubprocessError) as error:
            raise AutopilotError(f"--notify failed: {error} It was to tell {told}") from error

    def _write(self, state: State) -> None:
        if self.textfiles is None:
            return
        registry = CollectorRegistry()
        ended = Gauge("autopilot_ended_timestamp_seconds", "When the latest run ended.", ["model"], registry=registry)
        ended.labels(state.model).set(state.ended)
        outcome = Gauge("autopilot_outcome", "1 for how it ended.", ["model", "outcome"], registry=registry)
        for name in filter(None, get_args(Outcome)):
            outcome.labels(state.model, name).set(name == state.outcome)
        path = self.textfiles / f"autopilot-{state.model}.prom"
        try:
            write_to_textfile(str(path), registry)  # written beside it and moved into place
        except OSError as error:
            raise AutopilotError(f"--textfiles: {path} cannot be written ({error.strerror})") from error
