"""Rolls out fm 1.1 and ends itself, as kill -9 would, before, inside or after one step.

python -m tests.serving.programs.killed_rollout STORE HOME STEP WHEN CONFIG
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from serving.rollout import Rollout
from serving.server import Server

KILLED = 9  # the exit code


def main(store: str, home: str, step: str, when: str, config: str) -> None:
    @contextmanager
    def watch(name: str) -> Iterator[None]:
        if (name, when) == (step, "before"):
            os._exit(KILLED)
        yield
        if (name, when) == (step, "after"):
            os._exit(KILLED)

    if when == "inside":  # between the new default of the server and that of the disk
        os.replace = lambda staged, path: os._exit(KILLED) if str(path).endswith(".mar") else staged.rename(path)
    server = Server(Path(store), Path(home), config=[Path(config)])
    Rollout(server, "fm", "1.1", tolerance=None, drain=0).run(watch)


if __name__ == "__main__":
    main(*sys.argv[1:])
