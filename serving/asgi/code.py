"""An archive's own code, loaded under a name of its own: versions whose code differs answer in one process."""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import sys
from pathlib import Path
from typing import Any, Protocol

from archives.errors import ArchiveRefused

PACKAGE = "recommender"  # its name in an archive; its modules import each other by relative names
_numbers = itertools.count(1)


class Answer(Protocol):
    """What an archive answers: a status and a JSON body."""

    code: int
    body: bytes


class Hosted(Protocol):
    """What the code of an archive gives this server (handlers/recommender/hosts/asgi.py).

    Newer ones also have ``response_timeout``: seconds that a batch may take, None if their configuration does not say.
    """

    model: str
    version: str
    batch_size: int
    device: str
    id_types: dict[str, str]

    def answer(self, requests: list[Any]) -> list[Answer]:
        """The answers to a batch."""

    def counts(self) -> Any:
        """What was counted since the last call."""


def has_host(folder: Path) -> bool:
    """Whether the archive that is unpacked in ``folder`` has code for this server."""
    return (folder / PACKAGE / "hosts" / "asgi.py").is_file()


def load(folder: Path) -> Hosted:
    """Load the archive that is unpacked in ``folder``. Raises ArchiveRefused."""
    package = folder / PACKAGE
    if not has_host(folder):
        raise ArchiveRefused(
            f"the archive in {folder} was packed by a release that knew TorchServe alone: pack the model again "
            "(make archive), or serve this version with TorchServe"
        )
    name = f"archive_{next(_numbers)}"
    spec = importlib.util.spec_from_file_location(
        name, package / "__init__.py", submodule_search_locations=[str(package)]
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
        return importlib.import_module(f"{name}.hosts.asgi").Hosted(folder)
    except Exception as error:
        _forget(name)
        raise ArchiveRefused(f"the archive in {folder} cannot be loaded: {error}") from error


def unload(hosted: Hosted) -> None:
    """Let go of the code of an archive that answers no more."""
    _forget(type(hosted).__module__.partition(".")[0])


def _forget(name: str) -> None:
    for known in [known for known in sys.modules if known == name or known.startswith(f"{name}.")]:
        del sys.modules[known]
