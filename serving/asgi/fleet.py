"""The versions that this process serves, by model and number."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from archives.errors import ArchiveRefused
from archives.version import numbers

from . import code
from .batches import Batches
from .errors import Conflict, HostError, NoSuchModel, NoSuchVersion

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Served:
    """One version: the folder that it is unpacked in, and its queue."""

    folder: str
    batches: Batches


class Fleet:
    """The versions of all models. ``queue``: how many requests may wait for each version."""

    def __init__(self, queue: int, loop: asyncio.AbstractEventLoop) -> None:
        self.models: dict[str, dict[str, Served]] = {}
        self.defaults: dict[str, str] = {}
        self.routes: dict[bytes, Batches] = {}  # the path of predictions to the queue of the version that answers
        self.codes: Counter[int] = Counter()  # of the answers that no version gave
        self.draining = False
        self._queue = queue
        self._loop = loop

    @classmethod
    def of(
        cls,
        queue: int,
        loop: asyncio.AbstractEventLoop,
        hosted: Iterable[tuple[str, code.Hosted]],
        defaults: Mapping[str, str],
    ) -> Fleet:
        """Of archives by the folder that each is unpacked in, and the default version of each model."""
        fleet = cls(queue, loop)
        for folder, one in hosted:
            fleet.add(folder, one)
        for model, version in defaults.items():
            fleet.set_default(model, version)
        return fleet

    @property
    def is_ready(self) -> bool:
        """Whether there is something to answer with, and requests should be sent here."""
        return not self.draining and bool(self.models)

    def find(self, model: str, version: str | None = None) -> Served:
        """A version, the default one if None. Raises NoSuchModel, NoSuchVersion."""
        if model not in self.models:
            there = ", ".join(sorted(self.models)) or "none"
            raise NoSuchModel(f"Model not found: {model}; models are {there}")
        wanted = version or self.defaults[model]
        if wanted not in self.models[model]:
            there = ", ".join(sorted(self.models[model], key=lambda known: numbers(known) or ()))
            raise NoSuchVersion(f"Model version: {wanted} does not exist for model: {model}; versions are {there}")
        return self.models[model][wanted]

    def route(self, path: bytes) -> Batches:
        """The queue of the version that answers predictions at a path. Raises NoSuchModel, NoSuchVersion."""
        return self.routes.get(path) or self.find(*path.decode().split("/")[2:]).batches

    def add(self, folder: str, hosted: code.Hosted) -> None:
        """Serve a version; a model's first one is its default. Raises Conflict where it is served already."""
        versions = self.models.setdefault(hosted.model, {})
        if hosted.version in versions:
            raise Conflict(f"Model version {hosted.version} is already registered for model {hosted.model}")
        versions[hosted.version] = Served(folder, Batches(hosted, self._loop, self._queue))
        self.defaults.setdefault(hosted.model, hosted.version)
        self._route()

    def set_default(self, model: str, version: str) -> None:
        """Make a version the one that answers where a request names none."""
        self.find(model, version)
        self.defaults[model] = version
        self._route()

    async def remove(self, model: str, version: str) -> None:
        """Take a version out, and wait for its last answers. Raises HostError where it is the default of others."""
        served = self.find(model, version)
        if self.defaults[model] == version and len(self.models[model]) > 1:
            raise HostError(f"Cannot remove default version {version} of model {model}: set another default first")
        del self.models[model][version]
        if not self.models[model]:
            del self.models[model], self.defaults[model]
        self._route()
        await served.batches.close()
        code.unload(served.batches.hosted)

    def _route(self) -> None:
        self.routes.clear()
        for model, versions in self.models.items():
            for version, served in versions.items():
                self.routes[f"/predictions/{model}/{version}".encode()] = served.batches
            self.routes[f"/predictions/{model}".encode()] = versions[self.defaults[model]].batches


def load(folder: str) -> code.Hosted:
    """The archive that is unpacked in ``folder``. Raises ArchiveRefused."""
    return code.load(Path(folder))


def load_all(
    folders: Iterable[str], defaults: Mapping[str, str], begin: Callable[[str], None] = lambda folder: None
) -> list[tuple[str, code.Hosted]]:
    """The archives in ``folders``, each with its folder. One that cannot be loaded is left out, unless it is a default.

    ``begin`` is told each folder before it is loaded. Raises ArchiveRefused.
    """
    loaded, refused = [], []
    for folder in folders:
        begin(folder)
        try:
            loaded.append((folder, load(folder)))
        except ArchiveRefused as error:
            refused.append(str(error))
    if refused and not {(one.model, one.version) for _, one in loaded}.issuperset(defaults.items()):
        raise ArchiveRefused("; ".join(refused))
    for error in refused:
        logger.error("%s; it is not served", error)
    return loaded
