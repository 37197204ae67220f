"""From one version to another under traffic, in steps that can each be run again after a crash."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field

import requests

from . import archives
from .compare import Asker, Sample, compare
from .gate import Check, Tolerance
from .management import ManagementError
from .record import Record
from .server import Server
from .versions import ROLLOUT, Versions

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
    downgrade: bool = False  # to a version that is older than the running one
    why: str = "rollout"
    report: Callable[[list[Check]], None] = lambda checks: None

    def __post_init__(self) -> None:
        self.store = self.server.store
        self.archive = self.store / f"{self.model}-{self.version}.mar"
        self.default = self.store / f"{self.model}.mar"
        self.record = Record(self.store)
        self.versions = Versions(self.server, self.model)
        self.management = self.versions.management
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
        taken out again, where a rollout has put it in.
        """
        with archives.locked(self.store):
            self._check_order()
            for name, step in self.steps():
                with watch(name), self._withdrawn_on_error():
                    step()

    def _check_order(self) -> None:
        archives.check_version(self.version)
        running = self.versions.default()
        if running and archives.is_older(self.version, running) and not self.downgrade:
            raise RolloutRefused(
                f"{self.model} {self.version} is older than the running {running}: --downgrade (in make "
                f"GATE=--downgrade) rolls it out all the same, and make rollback MODEL={self.model} returns to the "
                f"version that answered before {running}"
            )

    @contextmanager
    def _withdrawn_on_error(self) -> Iterator[None]:
        try:
            yield
        except (RolloutRefused, ManagementError, archives.StoreError, requests.RequestException):
            if self.versions.default() not in (None, self.version) and self.version in self.versions.of_rollouts():
                self.versions.unregister(self.version)
            raise

    def _verify(self) -> None:
        digest = archives.verify(self.archive, self.model, self.version, self.sha256, self.server.python)
        # Written before anything is registered: a full or read-only disk is met while nothing has changed. The disk's
        # default is pinned first, since a start refuses one that is not, once there are pins.
        on_disk = archives.version_in(self.default)
        if on_disk is not None and f"{self.model}-{on_disk}.mar" not in archives.pins(self.store):
            archives.pin(self.store, f"{self.model}-{on_disk}.mar", archives.sha256_of(self.default))
        archives.pin(self.store, self.archive.name, digest)
        for version in _found(self.versions):
            self.record.add(self.model, version, "found")
        self.digest = digest

    def _register(self) -> None:
        self.versions.register(self.version, ROLLOUT)

    def _wait(self) -> None:
        self.versions.wait_until_ready(self.version)

    def _warm(self) -> None:
        # The first calls compile; each worker needs its own, and gets it where there are more calls than workers.
        sample = Sample.of(self.archive, pairs=20, users=20)
        for body in sample.pairs + sample.tops:
            self.asker.ask(self.version, body)

    def _compare(self) -> None:
        old = self.versions.default()
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
            if self.versions.default() != self.version:
                self.management.set_default(self.model, self.version)
        self.record.add(self.model, self.version, self.why, self.keep)

    def _drain(self) -> None:
        self.versions.drain(self._superseded(), self.drain)

    def _retire(self) -> None:
        for old in self._superseded():
            self.versions.unregister(old)

    def _superseded(self) -> list[str]:
        """The versions that this rollout replaces, where they are still served and not to be kept: those that answered,
        and those of rollouts that were killed before they did.
        """
        if self.keep:
            return []
        registered, answered = self.versions.registered(), self.record.superseded(self.model, self.version)
        known = {line["version"] for line in self.record.lines(self.model)}
        return [one for one in answered if one in registered] + [
            one for one in self.versions.of_rollouts() if one not in known
        ]


def rollback(server: Server, model: str, **options: object) -> Rollout:
    """The rollout of the version that answered before the present one; without a comparison, which it would not need
    to win. Raises RolloutRefused where there was none.
    """
    found, record = _found(Versions(server, model)), Record(server.store)
    before = record.before(model, *found[:1])
    # Where that answers already, a rollback was killed between the server's change of mind and the disk's: completed.
    if before not in found:
        before = record.before(model, *found)
    if before is None:
        present = found[-1] if found else "now"
        raise RolloutRefused(f"no version of {model} answered before {present}: make rollout VERSION=... chooses one")
    return Rollout(server, model, before, tolerance=None, downgrade=True, why="rollback", **options)


def _found(versions: Versions) -> list[str]:
    """What answered and what answers, oldest first, whatever the record says: a default that was set by hand, or by a
    rollout that was killed then, is the server's alone, and the disk's is the one of before.
    """
    present = versions.default()
    found = [archives.version_in(versions.server.store / f"{versions.model}.mar"), present]
    return [] if present is None else [version for version in found if version is not None]
