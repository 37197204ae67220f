"""From one version to another under traffic, in steps that can each be run again after a crash."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import requests

from . import archives
from .compare import Asker, Sample, compare
from .gate import Check, Tolerance
from .management import Management, ManagementError
from .record import Record
from .server import Server

Watch = Callable[[str], AbstractContextManager[None]]


class RolloutRefused(RuntimeError):
    """The new version is not good enough; the message holds the numbers. The running version goes on."""


@dataclass
class Rollout:
    """Puts ``version`` of ``model`` in front of the traffic of ``server``.

    Until ``_switch`` nothing that clients see has changed. What a killed run has done before it is found done by the
    next (registering again is a 409), and what it has not done after it is done by the next.
    """

    server: Server
    model: str
    version: str
    sha256: str | None = None
    tolerance: Tolerance | None = field(default_factory=Tolerance)  # None: without comparing, for a way back
    keep: bool = False
    drain: float | None = None  # None: as long as the old version's slowest request may take
    why: str = "rollout"
    report: Callable[[list[Check]], None] = lambda checks: None

    def __post_init__(self) -> None:
        self.store = self.server.store
        self.archive = self.store / f"{self.model}-{self.version}.mar"
        self.default = self.store / f"{self.model}.mar"
        self.record = Record(self.store)
        self.management = Management(self.server.management, token=self.server.token("management"))
        self.asker = Asker(self.server.inference, self.model, self.server.token("inference"))

    def steps(self) -> list[tuple[str, Callable[[], None]]]:
        """Their names, in order."""
        return [
            ("verify the archive", self._verify),
            ("register", self._register),
            ("wait for its workers", self._wait),
            ("warm it", self._warm),
            ("compare it", self._compare),
            ("switch", self._switch),
            ("drain the old version", self._drain),
            ("retire the old version", self._retire),
        ]

    def run(self, watch: Watch = lambda step: nullcontext()) -> None:
        """Run all steps, each inside ``watch(name)``.

        Raises ArchiveRefused, RolloutRefused, StoreError or ManagementError; up to the switch, the new version is then
        taken out again.
        """
        with archives.locked(self.store):
            for name, step in self.steps():
                with watch(name), self._withdrawn_on_error():
                    step()

    @contextmanager
    def _withdrawn_on_error(self) -> Iterator[None]:
        try:
            yield
        except (RolloutRefused, ManagementError, archives.StoreError, requests.RequestException):
            if self._current() not in (None, self.version) and self._registered(self.version):
                self.management.unregister(self.model, self.version)
            raise

    def _verify(self) -> None:
        digest = archives.verify(self.archive, self.model, self.version, self.sha256, self.server.python)
        # Written before anything is registered: a full or read-only disk is met while nothing has changed. The disk's
        # default is pinned first, since a start refuses one that is not, once there are pins.
        on_disk = archives.version_in(self.default)
        if on_disk is not None and f"{self.model}-{on_disk}.mar" not in archives.pins(self.store):
            archives.pin(self.store, f"{self.model}-{on_disk}.mar", archives.sha256_of(self.default))
        archives.pin(self.store, self.archive.name, digest)
        for version in _found(self.management, self.model, self.store):
            self.record.add(self.model, version, "found")
        self.digest = digest

    def _register(self) -> None:
        self.management.register(self.archive.name)

    def _wait(self) -> None:
        version = self.management.describe(self.model, self.version)
        deadline = time.monotonic() + version["startupTimeout"]
        while not (version["workers"] and all(worker["status"] == "READY" for worker in version["workers"])):
            if time.monotonic() > deadline:
                states = [worker["status"] for worker in version["workers"]]
                raise ManagementError(
                    f"{self.model} {self.version} is not ready after {version['startupTimeout']} s, its workers are "
                    f"{states}: {self.server.home}/workers.log says why"
                )
            time.sleep(0.2)
            version = self.management.describe(self.model, self.version)

    def _warm(self) -> None:
        # The first calls compile; each worker needs its own, and gets it where there are more calls than workers.
        sample = Sample.of(self.archive, pairs=20, users=20)
        for body in sample.pairs + sample.tops:
            self.asker.ask(self.version, body)

    def _compare(self) -> None:
        old = self._current()
        if self.tolerance is None or old in (None, self.version):
            return
        abouts = {one: self.management.about(self.model, one) for one in (old, self.version)}
        checks = compare(self.asker, Sample.of(self.default), old, self.version, abouts, self.tolerance)
        self.report(checks)
        bad = [check for check in checks if not check.good]
        if bad:
            numbers = "; ".join(
                f"{check.name} is {check.new:.4g}"
                + ("" if check.old is None else f" (the running {old} has {check.old:.4g})")
                + ("" if check.interval is None else ", a difference of {:+.4g} to {:+.4g}".format(*check.interval))
                + f", allowed is {check.limit}"
                for check in bad
            )
            raise RolloutRefused(f"{self.model} {self.version} is refused: {numbers}. {old} goes on answering")

    def _switch(self) -> None:
        # The copy comes first, so that between the server's change of mind and the disk's lies one rename.
        with archives.replacing(self.default) as copy:
            shutil.copyfile(self.archive, copy)
            if archives.sha256_of(copy) != self.digest:
                raise archives.StoreError(f"{self.archive} was changed while it was rolled out")
            if self._current() != self.version:
                self.management.set_default(self.model, self.version)
        self.record.add(self.model, self.version, self.why, self.keep)

    def _drain(self) -> None:
        deadline = time.monotonic() + 300
        slowest = 0.0
        for old in self._superseded():
            version = self.management.describe(self.model, old)
            while version["jobQueueStatus"]["pendingRequests"]:
                if time.monotonic() > deadline:
                    raise ManagementError(
                        f"{self.model} {old} still has {version['jobQueueStatus']['pendingRequests']} requests waiting:"
                        f" clients ask for it by its version. Move them and run this again, or use --keep"
                    )
                time.sleep(0.1)
                version = self.management.describe(self.model, old)
            slowest = max(slowest, version["responseTimeout"] if self.drain is None else self.drain)
        # The queue does not count what a worker is at; TorchServe gives up on that after responseTimeout.
        time.sleep(slowest)

    def _retire(self) -> None:
        for old in self._superseded():
            self.management.unregister(self.model, old)

    def _superseded(self) -> list[str]:
        """The versions that this rollout replaces, where they are still served and not to be kept."""
        if self.keep:
            return []
        return [old for old in self.record.superseded(self.model, self.version) if self._registered(old)]

    def _current(self) -> str | None:
        return _current(self.management, self.model)

    def _registered(self, version: str) -> bool:
        return version in (one["modelVersion"] for one in self.management.versions(self.model))


def rollback(server: Server, model: str, **options: object) -> Rollout:
    """The rollout of the version that answered before the present one; without a comparison, which it would not need
    to win. Raises RolloutRefused where there was none.
    """
    management = Management(server.management, token=server.token("management"))
    found = _found(management, model, server.store)
    before = Record(server.store).before(model, *found)
    if before is None:
        present = found[-1] if found else "now"
        raise RolloutRefused(f"no version of {model} answered before {present}: make rollout VERSION=... chooses one")
    return Rollout(server, model, before, tolerance=None, why="rollback", **options)


def _current(management: Management, model: str) -> str | None:
    return management.describe(model)["modelVersion"] if model in management.models() else None


def _found(management: Management, model: str, store: Path) -> list[str]:
    """What answered and what answers, oldest first, whatever the record says: a default that was set by hand, or by a
    rollout that was killed then, is the server's alone, and the disk's is the one of before.
    """
    present = _current(management, model)
    versions = [archives.version_in(store / f"{model}.mar"), present]
    return [] if present is None else [version for version in versions if version is not None]
