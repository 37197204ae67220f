"""The nightly command: train on the log as it is now, pack the next version, roll it out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from .server import ROOT


class RetrainError(RuntimeError):
    """Training or packing failed; what they printed says why. The running version goes on."""


def next_version(store: Path, model: str) -> str:
    """The version after the highest one of a model in a store: 1.10 after 1.9."""
    names = [path.stem.rpartition("-")[2] for path in store.glob(f"{model}-*.mar")]
    versions = [tuple(map(int, name.split("."))) for name in names if all(part.isdigit() for part in name.split("."))]
    *front, last = max(versions, default=(1, -1))
    return ".".join(map(str, (*front, last + 1)))


def train_and_pack(store: Path, model: str, build: Path, options: list[str], profile: str) -> str:
    """Train in ``build`` with ``options`` of ``python -m training train``, pack for a profile, return the version.

    Where there is a default version, the new one is measured beside it.
    """
    version = next_version(store, model)
    where, default = ["--build", str(build)], store / f"{model}.mar"
    beside = ["--running", str(default)] if default.exists() else []
    for arguments in (
        ["train", model, *where, *beside, *options],
        ["archive", model, *where, "--version", version, "--store", str(store), "--profile", profile],
    ):
        if subprocess.run([sys.executable, "-m", "training", *arguments], cwd=ROOT).returncode:
            raise RetrainError(f"python -m training {' '.join(arguments)} failed; the running version goes on")
    return version
