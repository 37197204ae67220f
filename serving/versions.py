"""The versions of one model on a running server: put in, waited for and taken out while others answer.

Nothing here lets TorchServe wait: a call that does holds one of the few threads that read and write all connections,
and with it every client that shares that thread.
"""

from __future__ import annotations

import shutil
import tempfile
import time
import zipfile
from pathlib import Path

from .archives import StoreError
from .management import Management, ManagementError
from .server import Server

PAUSE = 0.25  # seconds between two looks; on a GPU each runs nvidia-smi once a worker


class Versions:
    """The versions of ``model`` on ``server``."""

    def __init__(self, server: Server, model: str) -> None:
        self.server = server
        self.model = model
        self.management = Management(server.management, token=server.token("management"))

    def default(self) -> str | None:
        """The version that answers where a request names none; None where the model is not registered."""
        return self.management.describe(self.model)["modelVersion"] if self._there() else None

    def registered(self) -> list[str]:
        """Every version that answers by its number."""
        return [one["modelVersion"] for one in self.management.versions(self.model)] if self._there() else []

    def _there(self) -> bool:
        return self.model in self.management.models()

    def put_in(self, version: str) -> bool:
        """``register`` a version and wait until it answers; what does not come up is taken out again."""
        new = self.register(version)
        try:
            self.wait_until_ready(version)
        except ManagementError:
            if new:
                self.unregister(version)
            raise
        return new

    def register(self, version: str) -> bool:
        """Register a version of the store, whose workers start from now on; False where it is there already.

        It is unpacked here: TorchServe would do it in a thread of its connections, and take 3.5 s for a GB. What a run
        that was killed here has unpacked goes at the server's next start.
        """
        archive, place = self.server.store / f"{self.model}-{version}.mar", self.server.unpacked
        new = False
        try:
            place.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix=f"{archive.stem}-", dir=place))
            try:
                with zipfile.ZipFile(archive) as packed:
                    packed.extractall(folder)
                new = self.management.register(str(folder), self.model)
            finally:
                if not new:
                    shutil.rmtree(folder)
        except OSError as error:
            raise StoreError(f"{archive.name} cannot be unpacked in {place} ({error.strerror})") from error
        return new

    def wait_until_ready(self, version: str) -> None:
        """Wait for all workers of a version.

        Raises ManagementError where one ends before it was ready, or does not become so within its startupTimeout.
        """
        started: set[int] = set()
        deadline = None
        while True:
            found = self.management.describe(self.model, version)
            states = [worker["status"] for worker in found["workers"]]
            if states and set(states) == {"READY"}:
                return
            # A worker that ends is started again, as another process.
            started |= {worker["pid"] for worker in found["workers"] if worker["pid"] > 0}
            deadline = deadline or time.monotonic() + found["startupTimeout"]
            died = len(started) > max(len(states), 1)
            if died or time.monotonic() > deadline:
                what = "a worker ended as it started" if died else f"not ready after {found['startupTimeout']} s"
                raise ManagementError(
                    f"{self.model} {version}: {what}, its workers are {states}: {self.server.home}/workers.log says why"
                )
            time.sleep(PAUSE)

    def take_out(self, version: str, seconds: float | None) -> None:
        """``drain`` and ``unregister`` a version that is not the default. Raises ManagementError where it is, or where
        it is not registered.
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
        """Wait until nothing that was asked of ``versions`` is without an answer.

        The queue does not count what a worker is at, so that its end is followed by ``seconds`` more: as long as the
        slowest request may take, by default responseTimeout, after which TorchServe gives up on it. Raises
        ManagementError where requests still wait after ``patience`` seconds.
        """
        deadline = time.monotonic() + patience
        slowest = 0.0
        for one in versions:
            while waiting := (found := self.management.describe(self.model, one))["jobQueueStatus"]["pendingRequests"]:
                if time.monotonic() > deadline:
                    raise ManagementError(
                        f"{self.model} {one} still has {waiting} requests waiting: clients ask for it by its version. "
                        "Move them and run this again; a rollout can leave it registered (--keep)"
                    )
                time.sleep(PAUSE)
            slowest = max(slowest, found["responseTimeout"] if seconds is None else seconds)
        time.sleep(slowest)

    def unregister(self, version: str) -> None:
        """Take a version out of service. Requests that a worker of it has are lost: ``drain`` first."""
        folder = Path(self.management.describe(self.model, version)["modelUrl"])
        self.management.unregister(self.model, version)
        if folder.parent == self.server.unpacked:
            shutil.rmtree(folder, ignore_errors=True)
