"""The versions of one model on a running server: put in, waited for and taken out while others answer.

No call here makes TorchServe wait. A waiting call holds one of the few threads that read and write all connections, and
every client of that thread waits with it.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from archives.contents import file_name
from archives.errors import StoreError
from archives.unpack import unpack
from archives.version import check_version

from .management import CallRefused, ManagementError, poll
from .server import Server

# Who put a version in: a rollout may take out a version that another rollout left, and none that a person put in.
ROLLOUT, BY_HAND = "rollout", "register"


class NotReady(ManagementError):
    """A version whose workers do not start; the message says where the log is."""


class Versions:
    """The versions of ``model`` on ``server``."""

    def __init__(self, server: Server, model: str) -> None:
        self.server = server
        self.model = model
        self.management = server.management_api()

    def default(self) -> str | None:
        """The version that answers where a request names none; None where the model is not registered."""
        return self.management.describe(self.model)["modelVersion"] if self._is_registered() else None

    def registered(self) -> list[str]:
        """Every version that answers by its number."""
        return [version["modelVersion"] for version in self._described()]

    def of_rollouts(self) -> list[str]:
        """Those of ``registered`` that a rollout has put in, also one that was killed."""
        folders = {version["modelVersion"]: Path(version["modelUrl"]).name for version in self._described()}
        return [version for version, name in folders.items() if name.startswith(self._prefix(version, ROLLOUT))]

    def _is_registered(self) -> bool:
        return self.model in self.management.models()

    def _described(self) -> list[dict[str, Any]]:
        return self.management.versions(self.model) if self._is_registered() else []

    def _prefix(self, version: str, by: str) -> str:
        """What the name of the folder begins with in which a version is unpacked."""
        return f"{self.model}-{version}-{by}-"

    def register_and_wait(self, version: str, folder: Path | None = None) -> bool:
        """``register`` a version and wait until it answers; returns False where it was registered already.

        Raises NotReady where it does not answer. It is taken out again then, unless it is the default.
        """
        new = self.register(version, BY_HAND, folder)
        try:
            self.wait_until_ready(version)
        except NotReady:
            if new or version != self.default():
                self.unregister(version)
            raise
        return new

    def register(self, version: str, by: str, folder: Path | None = None) -> bool:
        """Register a version of the store, whose workers start from now on; False where it is registered already.

        It is unpacked here: TorchServe would do it in a thread of its connections, and take 3.5 s for a GB. ``folder``:
        a ``new_folder`` that it is unpacked in already, which belongs to the version from now on.
        """
        if folder is None:
            with self.new_folder(version, by) as folder:
                unpack(self._archive(version), folder)
        try:
            new = self.management.register(str(folder), self.model)
        except CallRefused:
            shutil.rmtree(folder)
            raise
        # Any other error leaves the folder where it is: TorchServe may serve it, and only its answer was lost.
        if not new:
            shutil.rmtree(folder)
        return new

    @contextmanager
    def new_folder(self, version: str, by: str) -> Iterator[Path]:
        """Yields a folder to unpack a version in, which is deleted where the block ends with an error.

        That of a run that is killed is deleted at the server's next start. ``by`` (ROLLOUT, BY_HAND) is in its name.
        Raises ArchiveRefused where ``version`` is not a version, StoreError where the folder cannot be made.
        """
        check_version(version)
        parent = self.server.unpacked
        try:
            parent.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix=self._prefix(version, by), dir=parent))
        except OSError as error:
            name = self._archive(version).name
            raise StoreError(f"{name} cannot be unpacked in {parent} ({error.strerror})") from error
        try:
            yield folder
        except BaseException:
            shutil.rmtree(folder)
            raise

    def _archive(self, version: str) -> Path:
        return self.server.store / file_name(self.model, version)

    def _descriptions(self, version: str) -> Iterator[dict[str, Any]]:
        return poll(lambda: self.management.describe(self.model, version))

    def wait_until_ready(self, version: str) -> None:
        """Wait for all workers of a version.

        Raises NotReady where a worker ends before it was ready, or is not ready within its startupTimeout.
        """
        started: set[int] = set()
        deadline = None
        for found in self._descriptions(version):
            states = [worker["status"] for worker in found["workers"]]
            if states and set(states) == {"READY"}:
                return
            # A worker that ends is started again, as another process.
            started |= {worker["pid"] for worker in found["workers"] if worker["pid"] > 0}
            deadline = deadline or time.monotonic() + found["startupTimeout"]
            died = len(started) > max(len(states), 1)
            if died or time.monotonic() > deadline:
                what = "a worker ended as it started" if died else f"not ready after {found['startupTimeout']} s"
                raise NotReady(
                    f"{self.model} {version}: {what}, its workers are {states}: {self.server.home}/workers.log says why"
                )

    def drain_and_unregister(self, version: str, seconds: float | None) -> None:
        """``drain`` and ``unregister`` a version.

        Raises ManagementError where it is the default, or where it is not registered.
        """
        default, registered = self.default(), self.registered()
        if version not in registered:
            there = f"registered are {', '.join(registered)}" if registered else f"no version of {self.model} is"
            raise ManagementError(f"{self.model} {version} is not registered: {there}")
        if version == default:
            raise ManagementError(
                f"{self.model} {version} answers where a request names no version: put another one in its place first "
                f"(make rollout MODEL={self.model} VERSION=..., or make rollback MODEL={self.model})"
            )
        self.drain([version], seconds)
        self.unregister(version)

    def drain(self, versions: list[str], seconds: float | None, patience: float = 300) -> None:
        """Wait until every request to ``versions`` has its answer.

        The queue does not count the requests that a worker has. So ``seconds`` more pass after the queue is empty: as
        long as the slowest request may take, by default responseTimeout, after which TorchServe gives up on it. Raises
        ManagementError where requests still wait after ``patience`` seconds.
        """
        deadline = time.monotonic() + patience
        slowest = 0.0
        for version in versions:
            for found in self._descriptions(version):
                slowest = max(slowest, found["responseTimeout"] if seconds is None else seconds)
                waiting = found["jobQueueStatus"]["pendingRequests"]
                if not waiting:
                    break
                if time.monotonic() > deadline:
                    raise ManagementError(
                        f"{self.model} {version} still has {waiting} requests waiting: clients ask for it by its "
                        "version. Move them and run this again; a rollout can leave it registered (--keep)"
                    )
        time.sleep(slowest)

    def unregister(self, version: str) -> None:
        """Take a version out of service. The requests that its workers have are lost: ``drain`` first."""
        folder = Path(self.management.describe(self.model, version)["modelUrl"])
        self.management.unregister(self.model, version)
        if folder.parent == self.server.unpacked:
            shutil.rmtree(folder, ignore_errors=True)
