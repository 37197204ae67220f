"""A process that answers: the inference API on one socket, and the versions that the supervisor names."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
import threading
from collections import Counter
from collections.abc import Callable
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any, NamedTuple

import uvicorn

from archives.errors import ArchiveRefused

from . import fleet as fleets
from .app import Inference
from .batches import Batches
from .bounds import Bounds
from .code import Hosted, unload
from .errors import HostError, NotAnswered
from .fleet import Fleet, Served
from .guard import KEEP_ALIVE, allow_connections
from .shortcut import protocol_for

logger = logging.getLogger(__name__)

GIVE_WAY = 0.001  # seconds after which a thread that loads a version lets one go on that answers (Python's own: 5 ms)
LOOK_EVERY = 1.0  # seconds
LAST_ANSWERS = 30  # seconds from SIGTERM to the end, at most: more than a batch may take


class State(NamedTuple):
    """What a worker serves: the folders of unpacked archives, and the default version of each model."""

    folders: list[str]
    defaults: dict[str, str]


class Settings(NamedTuple):
    """Of the inference API. ``queue``: requests that may wait for a version; ``max_body``: bytes of a request.

    ``grpc``: the address of the Open Inference Protocol over gRPC, None where it is not served. ``connections``: of
    HTTP, at once.
    """

    queue: int
    max_body: int
    grpc: str | None = None
    connections: int = Bounds().max_connections


def main(listener: socket.socket, connection: Connection, settings: Settings, state: State) -> None:
    """Load what ``state`` names, then answer on ``listener`` until SIGTERM, or until the supervisor has gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.setswitchinterval(GIVE_WAY)
    allow_connections()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s")
    try:
        hosted = fleets.load_all(*state, begin=lambda folder: connection.send((None, folder)))
    except Exception as error:
        connection.send((False, error))
        raise
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(listener, connection, settings, state, hosted))


def _set_aside() -> None:
    """Keep what is loaded from the collector of garbage.

    It looks through all objects again and again, and more often the more requests are there at once: with 256 clients
    that was a fifth of the time, in pauses of some 70 ms. What is no longer used is collected first.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    import uvloop

    return uvloop.new_event_loop


async def _serve(
    listener: socket.socket,
    connection: Connection,
    settings: Settings,
    state: State,
    hosted: list[tuple[str, Hosted]],
) -> None:
    loop = asyncio.get_running_loop()
    fleet = Fleet.of(settings.queue, loop, hosted, state.defaults)
    hosted.clear()  # the fleet alone has them: it lets go of what is taken out
    config = uvicorn.Config(
        Inference(fleet, settings.max_body),
        http=protocol_for(fleet, settings.max_body, settings.connections),
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        date_header=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=LAST_ANSWERS,
    )
    server = Server(config)
    if settings.grpc:
        from . import rpc  # gRPC's library, which not everybody needs

        server.grpc = rpc.server(fleet, settings.grpc, settings.queue, settings.max_body)
        await server.grpc.start()
    _set_aside()
    control = Control(fleet, loop, server)
    threading.Thread(target=control.run, args=(connection,), name="control", daemon=True).start()
    looking = asyncio.create_task(_end_where_stuck(fleet))
    await server.serve(sockets=[listener])
    looking.cancel()


async def _end_where_stuck(fleet: Fleet) -> None:
    """End this process where a batch hangs, as TorchServe does after responseTimeout: the supervisor starts another."""
    while True:
        await asyncio.sleep(LOOK_EVERY)
        for served in [served for versions in fleet.models.values() for served in versions.values()]:
            if served.batches.is_stuck:
                hosted = served.batches.hosted
                logger.critical("a batch of %s %s hangs: this worker ends", hosted.model, hosted.version)
                os._exit(1)


class Server(uvicorn.Server):
    """uvicorn's server, which has a server of gRPC beside it: both answer what has arrived, and end."""

    grpc: Any = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End, but not by ^C: that reaches the supervisor too, which decides."""
        if sig != signal.SIGINT:
            super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End both at the same time."""
        ends = [super().shutdown(sockets)]
        if self.grpc is not None:
            ends.append(self.grpc.stop(LAST_ANSWERS))
        await asyncio.gather(*ends)


class Control:
    """What the supervisor may ask of a worker, each by the name of a method; on a thread of its own."""

    def __init__(self, fleet: Fleet, loop: asyncio.AbstractEventLoop, server: uvicorn.Server) -> None:
        self.fleet = fleet
        self.loop = loop
        self.server = server

    def run(self, connection: Connection) -> None:
        """Do what is asked until the supervisor has gone; then the worker ends too."""
        try:
            connection.send((True, os.getpid()))
            while True:
                name, arguments = connection.recv()
                try:
                    reply = (True, getattr(self, name)(*arguments))
                except (HostError, ArchiveRefused) as error:
                    reply = (False, error)
                except Exception as error:  # perhaps of a class that the supervisor does not have
                    logger.exception("%s%s failed", name, arguments)
                    reply = (False, NotAnswered(f"{name} failed in a worker: {error}"))
                connection.send(reply)
        except (EOFError, OSError):
            self.server.should_exit = True

    def add(self, folder: str) -> tuple[str, str]:
        """Load and serve the archive in a folder; its model and version."""
        hosted = fleets.load(folder)
        try:
            self._on_loop(lambda: self.fleet.add(folder, hosted))
        except HostError:
            unload(hosted)
            raise
        gc.freeze()  # as _set_aside, without a pause in which nobody is answered
        return hosted.model, hosted.version

    def set_default(self, model: str, version: str) -> None:
        """Change the default version of a model."""
        self._on_loop(lambda: self.fleet.set_default(model, version))

    def remove(self, model: str, version: str) -> None:
        """Take a version out; its last requests are answered first."""
        asyncio.run_coroutine_threadsafe(self.fleet.remove(model, version), self.loop).result()
        _set_aside()

    def drain(self) -> None:
        """Answer health checks by 503 from now on."""
        self.fleet.draining = True

    def status(self) -> list[dict[str, Any]]:
        """Each version, with its queue."""
        return self._on_loop(
            lambda: [
                _status(served, version == self.fleet.defaults[model])
                for model, versions in self.fleet.models.items()
                for version, served in versions.items()
            ]
        )

    def describe(self, model: str, version: str) -> bytes:
        """The description that an archive gives of itself, as JSON."""
        served = self.fleet.find(model, version)
        return bytes(asyncio.run_coroutine_threadsafe(served.batches.answer(None), self.loop).result().body)

    def take(self) -> dict[str, Any]:
        """What was counted since the last call: by the server, and of each version."""
        return self._on_loop(self._take)

    def _take(self) -> dict[str, Any]:
        versions = [served.batches for versions in self.fleet.models.values() for served in versions.values()]
        own, self.fleet.codes = self.fleet.codes, Counter()
        return {"codes": dict(own), "versions": [_taken(batches) for batches in versions]}

    def _on_loop(self, function: Callable[[], Any]) -> Any:
        async def call() -> Any:
            return function()

        return asyncio.run_coroutine_threadsafe(call(), self.loop).result()


def _status(served: Served, is_default: bool) -> dict[str, Any]:
    batches = served.batches
    return {
        "model": batches.hosted.model,
        "version": batches.hosted.version,
        "default": is_default,
        "folder": served.folder,
        "batch_size": batches.hosted.batch_size,
        "device": batches.hosted.device,
        "pending": batches.pending,
        "room": batches.room,
    }


def _taken(batches: Batches) -> dict[str, Any]:
    hosted = batches.hosted
    taken = {
        "model": hosted.model,
        "version": hosted.version,
        "device": hosted.device,
        "codes": dict(batches.codes),
        "seconds": dict(batches.seconds),
        "counts": list(hosted.counts()),
    }
    batches.codes.clear()
    batches.seconds.clear()
    return taken
