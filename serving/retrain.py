"""The nightly command: train on the log as it is now, pack the next version, roll it out."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from archives.contents import Format, default_name, file_name, version_in
from archives.pack import Profile
from archives.store import pins
from archives.version import numbers

from .config import ROOT


class RetrainError(RuntimeError):
    """Training or packing failed; what they printed says why. The running version goes on."""


def next_version(store: Path, model: str, registered: Iterable[str] = ()) -> str:
    """The version after the highest one of a model: 1.10 after 1.9.

    Versions are those of a store, and those that the server has ``registered``. That of an archive which somebody has
    deleted is not used again: it is pinned, it is the default, or it is registered.
    """
    names = [*(path.name for path in store.glob(file_name(model, "*"))), *pins(store)]
    pairs = (name.removesuffix(".mar").rpartition("-") for name in names)
    texts = [version for of, _, version in pairs if of == model]
    texts += filter(None, [*registered, version_in(store / default_name(model))])
    *front, last = max(filter(None, map(numbers, texts)), default=(1, -1))
    return ".".join(map(str, (*front, last + 1)))


@dataclass(frozen=True)
class Training:
    """How a version is made."""

    train: str = ""
    """Options of python -m training train, as in --train="--data ml-1m --preset quick"."""
    build: Path = ROOT / "build"
    """Where the model is trained."""
    profile: Profile = "throughput"
    """How the archive is served."""
    format: Format = "torchscript"
    """What its network is."""

    def make(self, store: Path, model: str, version: str, held: tuple[int, ...] = ()) -> None:
        """Train a model, and pack what comes out as a ``version`` in a store. Raises RetrainError.

        Where there is a default version, the new version is measured beside it. ``held``: file descriptors that
        training holds open, so that a lock goes on where this process is killed and training is not.
        """
        where, default = ["--build", str(self.build)], store / default_name(model)
        beside = ["--running", str(default)] if default.exists() else []
        packing = ["--version", version, "--store", str(store), "--profile", self.profile, "--format", self.format]
        for arguments in (
            ["train", model, *where, *beside, *shlex.split(self.train)],
            ["archive", model, *where, *packing],
        ):
            if subprocess.run([sys.executable, "-m", "training", *arguments], cwd=ROOT, pass_fds=held).returncode:
                raise RetrainError(f"python -m training {' '.join(arguments)} failed; the running version goes on")
