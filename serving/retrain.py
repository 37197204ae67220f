"""The nightly command: train on the log as it is now, pack the next version, roll it out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from archives.contents import default_name, file_name
from archives.version import numbers

from .config import ROOT


class RetrainError(RuntimeError):
    """Training or packing failed; what they printed says why. The running version goes on."""


def next_version(store: Path, model: str) -> str:
    """The version after the highest one of a model in a store: 1.10 after 1.9."""
    texts = [path.stem.rpartition("-")[2] for path in store.glob(file_name(model, "*"))]
    *front, last = max(filter(None, map(numbers, texts)), default=(1, -1))
    return ".".join(map(str, (*front, last + 1)))


def train_and_pack(
    store: Path,
    model: str,
    build: Path,
    options: list[str],
    packing: list[str],
    version: str,
    held: tuple[int, ...] = (),
) -> None:
    """Train in ``build`` with ``options`` of ``python -m training train``, and pack what comes out as ``version``.

    ``packing``: options of ``python -m training archive``. ``held``: file descriptors that training holds open, so that
    a lock goes on where this process is killed and training is not.

    Where there is a default version, the new version is measured beside it. Raises RetrainError.
    """
    where, default = ["--build", str(build)], store / default_name(model)
    beside = ["--running", str(default)] if default.exists() else []
    for arguments in (
        ["train", model, *where, *beside, *options],
        ["archive", model, *where, "--version", version, "--store", str(store), *packing],
    ):
        if subprocess.run([sys.executable, "-m", "training", *arguments], cwd=ROOT, pass_fds=held).returncode:
            raise RetrainError(f"python -m training {' '.join(arguments)} failed; the running version goes on")
