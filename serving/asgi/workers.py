"""The worker processes: started, asked all together, and started again where one ends."""

from __future__ import annotations

import logging
import multiprocessing
import multiprocessing.connection
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from ..server import ServerError
from . import worker
from .bounds import Bounds
from .errors import NotAnswered, QueueFull
from .worker import LAST_ANSWERS, Settings, State

logger = logging.getLogger(__name__)

START_AGAIN = 1.0  # seconds before a worker that has ended soon after its start is started again
SOON = 10.0  # seconds
HANGS = 120.0  # seconds without a reply after which a worker is killed that does not load an archive
END = LAST_ANSWERS + 5.0  # seconds from SIGTERM in which a worker has ended, unless it hangs


class WorkerEnded(NotAnswered):
    """A worker that ended instead of replying."""


class WorkerHangs(WorkerEnded):
    """A worker that was killed because it did not reply."""


class Workers:
    """One worker for each listening socket; all serve the same versions.

    A socket stays open while its worker is started again: connections wait in its queue. Methods may be called on any
    thread, and take turns. ``load_timeout``: seconds that a worker may take to load an archive, or it is killed.
    """

    def __init__(
        self,
        listeners: Sequence[socket.socket],
        settings: Settings,
        state: State,
        load_timeout: float = Bounds().load_timeout,
    ) -> None:
        self.state = state
        self.load_timeout = load_timeout
        self.load_seconds = [0.0] * len(listeners)
        self._launched = [0.0] * len(listeners)
        self._listeners = listeners
        self._settings = settings
        self._lock = threading.RLock()
        self._ending = threading.Event()
        self._spawn = multiprocessing.get_context("spawn")
        self._processes: list[Any] = [None] * len(listeners)
        self._connections: list[Connection] = [None] * len(listeners)  # type: ignore[list-item]

    def start(self) -> None:
        """Start all, and wait until they answer. Raises what a worker raises that cannot load an archive."""
        with self._lock:
            for number in range(len(self._listeners)):
                self._launch(number)
            for number in range(len(self._listeners)):
                self._await(number)
        threading.Thread(target=self._watch, name="watch", daemon=True).start()

    def pids(self) -> list[int]:
        """The process of each worker; one that is started again is waited for."""
        with self._lock:
            return [process.pid for process in self._processes]

    def ready(self) -> list[bool]:
        """Whether each worker runs, and has loaded what it serves."""
        with self._lock:
            return [process.is_alive() for process in self._processes]

    def call(self, name: str, *arguments: Any) -> list[Any]:
        """What each running worker replies. Raises the first worker's exception."""
        replies = [reply for reply in self._ask(name, *arguments) if not isinstance(reply[1], WorkerEnded)]
        if not replies:
            raise QueueFull("no worker runs at the moment: ask again")
        for good, value in replies:
            if not good:
                raise value
        return [value for _, value in replies]

    def _ask(self, name: str, *arguments: Any, limit: float | None = None) -> list[tuple[bool, Any]]:
        """Each running worker's reply, or its exception; one that has not replied in ``limit`` seconds is killed."""
        with self._lock:
            asked = []
            for number, connection in enumerate(self._connections):
                with suppress(OSError):  # it has ended, and is started again with the state as it is then
                    connection.send((name, arguments))
                    asked.append(number)
            deadline = time.monotonic() + (limit or HANGS)
            return [self._reply(number, name, deadline) for number in asked]

    def _reply(self, number: int, name: str, deadline: float) -> tuple[bool, Any]:
        """A worker's reply; one that gives none until the ``deadline`` is killed."""
        process, connection = self._processes[number], self._connections[number]
        try:
            if connection.poll(max(0.0, deadline - time.monotonic())):
                return connection.recv()
            logger.error("worker %s does not reply to %s, and is killed", process.pid, name)
            process.kill()
            connection.close()  # a reply that comes at the last moment is not that of the next call
            return False, WorkerHangs(f"{name} failed: a worker did not reply, and was ended")
        except (EOFError, OSError):
            pass
        return False, WorkerEnded(f"{name} failed: a worker has ended instead, and the server's log says why")

    def add(self, folder: str) -> tuple[str, str]:
        """Serve the archive in a folder; its model and version. No worker serves it where one of them cannot."""
        with self._lock:
            replies = self._ask("add", folder, limit=self.load_timeout)
            if not replies:
                raise QueueFull("no worker runs at the moment: ask again")
            failed = [value for good, value in replies if not good]
            if failed:
                for model, version in (value for good, value in replies if good):
                    self._ask("remove", model, version)  # where it was not added, that changes nothing
                if isinstance(failed[0], WorkerHangs):
                    raise WorkerHangs(
                        f"the archive is not served: a worker did not load it within {self.load_timeout:g} s "
                        "(load_timeout), and was ended; it starts again without it"
                    )
                raise failed[0]
            model, version = replies[0][1]
            self.state.folders.append(folder)
            self.state.defaults.setdefault(model, version)
        return model, version

    def set_default(self, model: str, version: str) -> None:
        """Change the default version of a model."""
        with self._lock:
            self.call("set_default", model, version)
            self.state.defaults[model] = version

    def remove(self, model: str, version: str, folder: str) -> None:
        """Take a version out; its last requests are answered first."""
        with self._lock:
            self.call("remove", model, version)
            self.state.folders.remove(folder)
            if self.state.defaults[model] == version:
                del self.state.defaults[model]

    def stop(self) -> None:
        """End all workers; each answers what has arrived, and one that hangs is killed. New connections are refused."""
        self._ending.set()
        for listener in self._listeners:
            listener.close()
        for process in self._processes:
            if process is not None and process.is_alive():
                process.terminate()
        deadline = time.monotonic() + END
        for process in self._processes:
            if process is not None:
                process.join(max(0.0, deadline - time.monotonic()))
                if process.is_alive():
                    logger.error("worker %s does not end, and is killed", process.pid)
                    process.kill()
                    process.join()

    def _launch(self, number: int) -> None:
        ours, theirs = self._spawn.Pipe()
        arguments = (self._listeners[number], theirs, self._settings, self.state)
        process = self._spawn.Process(target=worker.main, args=arguments, name=f"W-{number}", daemon=True)
        self._launched[number] = time.monotonic()
        process.start()
        theirs.close()
        self._processes[number], self._connections[number] = process, ours

    def _await(self, number: int) -> None:
        """Wait until a worker has loaded what it serves; it says which archive comes next."""
        process, connection = self._processes[number], self._connections[number]
        good, value = None, "its code"
        while good is None:
            if not connection.poll(self.load_timeout):
                process.kill()
                connection.close()
                raise ServerError(
                    f"a worker did not load {value} within {self.load_timeout:g} s (load_timeout), and was ended: "
                    "mend or delete this archive, or give it more time"
                )
            try:
                good, value = connection.recv()
            except EOFError:
                raise ServerError("a worker ended as it started: its output says why") from None
        if not good:
            raise value
        self.load_seconds[number] = time.monotonic() - self._launched[number]

    def _watch(self) -> None:
        """Start each worker again that has ended."""
        while not self._ending.is_set():
            multiprocessing.connection.wait([process.sentinel for process in self._processes], timeout=1)
            for number, process in enumerate(self._processes):
                if process.is_alive() or self._ending.is_set():
                    continue
                logger.error("worker %s has ended with %s, and is started again", process.pid, process.exitcode)
                if time.monotonic() - self._launched[number] < SOON:
                    time.sleep(START_AGAIN)
                try:
                    with self._lock:
                        self._launch(number)
                        self._await(number)
                except Exception:
                    logger.exception("a worker did not start")
                    self._ending.wait(START_AGAIN)  # calls have their turn
