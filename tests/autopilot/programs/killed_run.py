"""One run of the autopilot that ends itself by kill -9.

python -m tests.autopilot.programs.killed_run STORE HOME STEP WHEN KIND

WHEN: "before" or "after" the state file says that STEP is next, or "inside" the switch of the default during STEP.
KIND: "good", or "bad" for a new version that fails once it is the default.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autopilot.holdout import Measure
from autopilot.run import Run, Watching
from autopilot.state import State, StateFile
from serving.gate import Tolerance
from serving.retrain import Training
from serving.server import Server
from tests.archives.packing import read, repack

FLAG = "fails"  # a file in the store: while it is there, a bad version answers nothing
SERVICE = "recommender/api/service.py"
FIRST = "        counts = BatchCounts()\n"  # of what answers a batch


def plant(patch: Callable[[str, Any], None], kind: str = "good") -> None:
    """In place of training, pack 1.0 again as the next version; and compare few answers."""
    patch("serving.retrain.Training.make", pack_bad if kind == "bad" else pack_good)
    patch("serving.answers.ROUNDS", 1)
    patch("serving.answers.TIMED", 20)


def pack_good(_: Training, store: Path, model: str, version: str, held: tuple[int, ...]) -> None:
    repack(store / f"{model}-1.0.mar", store / f"{model}-{version}.mar", version)


def pack_bad(_: Training, store: Path, model: str, version: str, held: tuple[int, ...]) -> None:
    good = read(store / f"{model}-1.0.mar", SERVICE).decode()
    assert FIRST in good
    fails = f"        if __import__('os').path.exists({str(store / FLAG)!r}): raise RuntimeError('planted')\n"
    files = {SERVICE: good.replace(FIRST, fails + FIRST, 1).encode()}
    repack(store / f"{model}-1.0.mar", store / f"{model}-{version}.mar", version, files)


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main(store: str, home: str, step: str, when: str, kind: str) -> None:
    plant(pytest.MonkeyPatch().setattr, kind)
    real_write, real_replace = StateFile.write, os.replace
    now = ""

    def write(file: StateFile, state: State) -> State:
        nonlocal now
        now = state.step
        if (state.step, "before") == (step, when):
            kill()
        real_write(file, state)
        if state.step == "watch":
            (Path(store) / FLAG).touch()
        if (state.step, "after") == (step, when):
            kill()
        return state

    def replace(staged: Path, path: Path) -> None:
        if (now, "inside") == (step, when) and Path(path).suffix == ".mar":
            kill()
        real_replace(staged, path)

    StateFile.write, os.replace = write, replace
    server = Server(Path(store), Path(home), config=[Path(home) / "config.properties"])
    watching = Watching(watch=0.02 if kind == "good" else 1, every=0.2, holdout=Measure(share=0.5))
    Run(server, "fm", Training(build=Path(store) / "build"), Tolerance(p99=1e6), watching, drain=0).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
