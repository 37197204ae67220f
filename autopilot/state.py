"""How far a run is: one JSON file a model, ``model_store/autopilot/<model>.json``, moved into place at each change."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec

from archives.errors import StoreError
from archives.store import replacing

from .errors import AutopilotError
from .traffic import Traffic

FOLDER = "autopilot"  # in the model store
Step = Literal["train", "roll out", "watch", "roll back", "retire", "tell", "done"]
Outcome = Literal["", "rolled out", "refused", "rolled back", "not rolled back", "replaced", "failed"]


class State(msgspec.Struct, frozen=True, kw_only=True):
    """A run. Times are in seconds since 1970."""

    model: str
    started: float
    step: Step = "train"
    """What is done next, or again where the run was killed."""
    version: str
    """The new version."""
    before: str
    """The version that it replaces."""
    traffic_before: Traffic = Traffic()
    """What ``before`` has answered until the rollout."""
    traffic_last: Traffic | None = None
    """The server's counts of the new version when they were last read: they begin again where the server does."""
    traffic_new: Traffic = Traffic()
    """What the new version has answered since the watch began."""
    watch_until: float = 0.0
    """When the watch ends; 0 before it begins."""
    outcome: Outcome = ""
    why: str = ""
    """The numbers behind the outcome."""
    ended: float = 0.0


class StateFile:
    """The state of a model's runs in a model store."""

    def __init__(self, store: Path, model: str) -> None:
        """Read nothing yet."""
        self.model = model
        self.path = store / FOLDER / f"{model}.json"

    def read(self) -> State | None:
        """The state of the latest run; None where there was none. Raises AutopilotError for a file that is none."""
        try:
            state = msgspec.json.decode(self.path.read_bytes(), type=State)
            if state.model != self.model:
                raise ValueError(f"it is about {state.model}")
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:  # msgspec's errors are ValueErrors
            raise AutopilotError(
                f"{self.path} is no state of the autopilot ({error}): make status shows which version answers; "
                "delete this file, and the next run begins anew"
            ) from error
        return state

    def write(self, state: State) -> State:
        """Replace the file. Raises StoreError where the disk is full or read-only."""
        with replacing(self.path) as staged:
            staged.write_bytes(msgspec.json.format(msgspec.json.encode(state)) + b"\n")
        return state

    @contextmanager
    def locked(self) -> Iterator[int]:
        """Let one run of a model work at a time; yields the lock, which goes on while a process has it open.

        Raises AutopilotError where another one works, also where only the training of a killed run does, and StoreError
        where the lock cannot be made.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise StoreError(f"{self.path.parent} cannot be written ({error.strerror})") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield lock
        except BlockingIOError:
            raise AutopilotError(
                f"a run for {self.model} is at work already, or the training of one that was killed: "
                f"wait for it ({self.path} says how far it is)"
            ) from None
        finally:
            os.close(lock)
