"""Seconds and peak memory of the stages of a training, taken from what it says of its progress."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from training import progress

# By the innermost of the running stages that is named here; names that end in a space are beginnings.
STAGES = {
    "reading ": "read",
    "hashing ": "hash",
    "splitting the log": "split",
    "turning ids into rows": "encode",
    "fitting": "fit",
    "fitting the drift": "drift",
    "choosing the list ranker": "rank",
    "fitting the list ranker": "rank",
    "predicting the test rows": "evaluate",
    "evaluating": "evaluate",
    "exporting": "export",
}
OTHER = "other"
ORDER = (*dict.fromkeys(STAGES.values()), OTHER)


class Stages:
    """What has been measured: by stage, ``seconds`` in all and ``peak_mb``, the highest resident memory.

    Memory is without what the process had before; memory that earlier stages have made and not freed counts.
    """

    def __init__(self) -> None:
        self.before = resident("VmRSS")
        self.seconds: dict[str, float] = defaultdict(float)
        self.peak_mb: dict[str, float] = defaultdict(float)
        self._current, self._since = OTHER, time.perf_counter()
        _reset_peak()

    def __call__(self, running: list[str]) -> None:
        """Another of the stages runs now: the time and the peak since the last call are those of the one before."""
        now, peak = time.perf_counter(), (resident("VmHWM") - self.before) / 1e6
        self.seconds[self._current] += now - self._since
        self.peak_mb[self._current] = max(self.peak_mb[self._current], peak)
        self._current, self._since = stage_of(running), now
        _reset_peak()

    def results(self) -> dict[str, dict[str, float]]:
        """``seconds`` and ``peak_mb`` of the stages that ran, in the order of a training."""
        names = [name for name in ORDER if name in self.seconds]
        return {
            "seconds": {name: round(self.seconds[name], 3) for name in names},
            "peak_mb": {name: round(self.peak_mb[name]) for name in names},
        }


@contextmanager
def measured() -> Iterator[Stages]:
    """Measure the stages of what runs in the block."""
    stages = Stages()
    progress.watchers.append(stages)
    try:
        yield stages
        stages([])
    finally:
        progress.watchers.remove(stages)


def stage_of(running: list[str]) -> str:
    """The stage of a training that runs, by the names of what is in progress, the outermost first."""
    for name in reversed(running):
        for known, stage in STAGES.items():
            if name == known or (known.endswith(" ") and name.startswith(known)):
                return stage
    return OTHER


def resident(kind: str) -> int:
    """Bytes of resident memory of this process: now ("VmRSS"), or at most since the last reset ("VmHWM")."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(kind))


def _reset_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")
