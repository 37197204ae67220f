"""Replaces one version by another under traffic, in steps that can each be run again after a crash."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import requests

from archives.contents import default_name, file_name, sha256_of, version_in
from archives.errors import StoreError
from archives.store import locked, pin, pins, replacing
from archives.verify import verify_into
from archives.version import check_version, is_older
from client.recommender_client import RecommenderError

from .answers import Asker, Sample, compare_answers
from .experiments import Compared, ExperimentsUnknown, compared
from .gate import Check, Tolerance, compare_metrics
from .management import ManagementError
from .record import Record
from .server import Server
from .versions import ROLLOUT, Versions

logger = logging.getLogger(__name__)

Watch = Callable[[str], AbstractContextManager[None]]


class RolloutRefused(RuntimeError):
    """The new version is not good enough; the message holds the numbers. The running version goes on answering."""


@dataclass
class Rollout:
    """Makes ``version`` of ``model`` the default version of ``server``.

    Until ``_switch``, clients see no change. When a run was killed, the next run repeats its steps: a step that was
    done before changes nothing (registering again is a 409), and a step that was not done is done then.
    """

    server: Server
    model: str
    version: str
    sha256: str | None = None
    tolerance: Tolerance | None = field(default_factory=Tolerance)  # None: without comparing, for a rollback
    keep: bool = False
    drain: float | None = None  # None: as long as the old version's slowest request may take
    downgrade: bool = False  # to a version that is older than the running one
    why: str = "rollout"
    report: Callable[[list[Check]], None] = lambda checks: None
    say: Callable[[str], None] = lambda line: None
    compared: Callable[[str], Compared | None] = compared

    def __post_init__(self) -> None:
        self.store = self.server.store
        self.archive = self.store / file_name(self.model, self.version)
        self.default = self.store / default_name(self.model)
        self.record = Record(self.store)
        self.versions = Versions(self.server, self.model)
        self.management = self.versions.management
        self.asker = Asker(self.server.inference, self.model, partial(self.server.token, "inference"))

    def steps(self) -> list[tuple[str, Callable[[], None]]]:
        """The steps by name, in order."""
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

        Raises ArchiveRefused, RolloutRefused, StoreError, ManagementError, RecommenderError or requests' exceptions. Up
        to the switch, the new version is taken out again then, unless a person had put it in.
        """
        with locked(self.store):
            self.check()
            for name, step in self.steps():
                with watch(name), self._withdrawn_on_error():
                    step()

    def check(self) -> None:
        """What is known before the archive is there. Raises RolloutRefused, ArchiveRefused or ManagementError."""
        self._check_order()
        self._check_experiment()

    def _check_order(self) -> None:
        check_version(self.version)
        running = self.versions.default()
        if running and is_older(self.version, running) and not self.downgrade:
            raise RolloutRefused(
                f"{self.model} {self.version} is older than the running {running}: --downgrade (in make "
                f"GATE=--downgrade) rolls it out all the same, and make rollback MODEL={self.model} returns to the "
                f"version that answered before {running}"
            )

    def _check_experiment(self) -> None:
        """A rollback is never refused: it leaves the versions of an experiment in (``_superseded``)."""
        if self.keep or self.why == "rollback" or self.versions.default() == self.version:
            return
        remedy = "--keep (in make GATE=--keep) takes no version out"
        try:
            found = self.compared(self.model)
        except ExperimentsUnknown as error:
            raise RolloutRefused(f"{error}; {remedy}") from error
        if found:
            raise RolloutRefused(f"{found.refusal(self.model)}; {remedy}")

    @contextmanager
    def _withdrawn_on_error(self) -> Iterator[None]:
        try:
            yield
        except (RolloutRefused, ManagementError, StoreError, RecommenderError, requests.RequestException):
            if self.versions.default() not in (None, self.version) and self.version in self.versions.of_rollouts():
                self.versions.unregister(self.version)
            raise

    def _verify(self) -> None:
        # What is verified is what will be served: it is unpacked once.
        with self.versions.new_folder(self.version, ROLLOUT) as self.folder:
            self._verify_into(self.folder)

    def _verify_into(self, folder: Path) -> None:
        digest = verify_into(folder, self.archive, self.model, self.version, self.sha256, self.server.python)
        # The pins are written before anything is registered: a full or read-only disk fails while nothing has changed.
        # The disk's default is pinned first: as soon as the store has pins, a start refuses a default without a pin.
        on_disk = version_in(self.default)
        if on_disk is not None and file_name(self.model, on_disk) not in pins(self.store):
            pin(self.store, file_name(self.model, on_disk), sha256_of(self.default))
        pin(self.store, self.archive.name, digest)
        for version in _defaults(self.versions):
            self.record.add(self.model, version, "found")
        self.digest = digest

    def _register(self) -> None:
        self.versions.register(self.version, ROLLOUT, self.folder)

    def _wait(self) -> None:
        self.versions.wait_until_ready(self.version)

    def _warm(self) -> None:
        # A worker compiles at its first requests; there are more requests than workers, so that each worker gets one.
        sample = Sample.of(self.archive, pairs=20, users=20)
        for body in sample.pairs + sample.tops:
            self.asker.ask(self.version, body)

    def _compare(self) -> None:
        old = self.versions.default()
        if self.tolerance is None or old in (None, self.version):
            return
        if version_in(self.default) is None:
            raise StoreError(
                f"{self.default} is missing, or no archive: copy the version that answers there "
                f"(cp {self.store / file_name(self.model, old)} {self.default}), and run this again"
            )
        descriptions = [self.management.about(self.model, version) for version in (old, self.version)]
        checks = [
            *compare_answers(self.asker, Sample.of(self.default), old, self.version, self.tolerance),
            *compare_metrics(*descriptions, self.tolerance),
        ]
        self.report(checks)
        failed = [check for check in checks if not check.good]
        if failed:
            numbers = "; ".join(
                f"{check.name} is {check.new:.4g}"
                + ("" if check.old is None else f" (the running {old} has {check.old:.4g})")
                + ("" if check.interval is None else ", a difference of {:+.4g} to {:+.4g}".format(*check.interval))
                + f", allowed is {check.limit}"
                for check in failed
            )
            raise RolloutRefused(f"{self.model} {self.version} is refused: {numbers}. {old} goes on answering")

    def _switch(self) -> None:
        # The copy comes first: between the new default of the server and that of the disk lies one rename.
        with replacing(self.default) as copy:
            shutil.copyfile(self.archive, copy)
            if sha256_of(copy) != self.digest:
                raise StoreError(f"{self.archive} was changed while it was rolled out")
            if self.versions.default() != self.version:
                self.management.set_default(self.model, self.version)
        self.record.add(self.model, self.version, self.why, self.keep)

    def _drain(self) -> None:
        old = self._superseded()
        if old:  # it takes a minute, in which somebody may wonder which version answers
            self.say(
                f"{self.model} answers with {self.version} now; waiting for the requests that {' and '.join(old)} "
                f"still {'has' if len(old) == 1 else 'have'}"
            )
        self.versions.drain(old, self.drain)

    def _retire(self) -> None:
        for old in self._superseded():
            self.versions.unregister(old)

    def _superseded(self) -> list[str]:
        """The registered versions that this rollout replaces and does not keep: earlier defaults, and versions of
        rollouts that were killed before their switch. Where experiments are not known, none: the next rollout takes
        them out.
        """
        if self.keep:
            return []
        try:
            in_experiment = self.compared(self.model) or ()
        except ExperimentsUnknown as error:
            logger.warning("the versions before are left in: %s", error)
            return []
        registered, earlier = self.versions.registered(), self.record.superseded(self.model, self.version)
        recorded = {line["version"] for line in self.record.lines(self.model)}
        never_default = [version for version in self.versions.of_rollouts() if version not in recorded]
        old = [version for version in earlier if version in registered] + never_default
        return [version for version in old if version not in in_experiment]


def rollback(server: Server, model: str, **options: object) -> Rollout:
    """The rollout of the version that was the default before the present one, without a comparison.

    Raises RolloutRefused where there was none.
    """
    defaults, record = _defaults(Versions(server, model)), Record(server.store)
    before = record.before(model, *defaults[:1])
    # Where the server has that default already, a rollback was killed before the disk had it: that one is completed.
    if before not in defaults:
        before = record.before(model, *defaults)
    if before is None:
        present = defaults[-1] if defaults else "now"
        raise RolloutRefused(f"no version of {model} answered before {present}: make rollout VERSION=... chooses one")
    return Rollout(server, model, before, tolerance=None, downgrade=True, why="rollback", **options)


def _defaults(versions: Versions) -> list[str]:
    """The default of the disk and that of the server, where the model is registered.

    They differ where a default was set by hand, or by a rollout that was killed before it had written the disk's: then
    the disk's is the earlier one.
    """
    present = versions.default()
    defaults = [version_in(versions.server.store / default_name(versions.model)), present]
    return [] if present is None else [version for version in defaults if version is not None]
