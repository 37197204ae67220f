"""The server as a whole: unpacks the store, starts the workers, and answers the management API until SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import shutil
import signal
import socket
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import uvicorn

from archives.errors import ArchiveRefused
from archives.unpack import unpack

from .. import ports
from ..config import ROOT
from ..server import Server, ServerError
from .bounds import Bounds
from .code import has_host
from .errors import QueueFull
from .guard import KEEP_ALIVE, Guarded, allow_connections
from .management import Management
from .store import archives_in
from .worker import Settings, State
from .workers import Workers

logger = logging.getLogger(__name__)

LAST_CALLS = 5  # seconds for calls of the management API at the end
ADDRESSES = ("inference_address", "management_address", "metrics_address", "grpc_inference_port")
STUBS = ROOT / "client/stubs/open_inference_pb2.py"


def run(server: Server, workers: int, drain: float) -> None:
    """Serve the archives of the server's store until SIGTERM or SIGINT, then answer what has arrived and end.

    ``drain``: seconds from the signal, during which health checks fail and requests are answered, to the end.
    Raises PortError where a port is taken, ServerError for a configuration that asks for tokens, ArchiveRefused.
    """
    if server.settings.get("disable_token_authorization") != "true":
        raise ServerError(
            "the configuration asks for tokens (disable_token_authorization is not true), and this server has none: "
            "put a gateway before it that checks who asks, and set disable_token_authorization=true, or serve with "
            "TorchServe"
        )
    running = server.process()
    if running:
        raise ServerError(
            f"a server runs from {server.home} already (process {running.pid}): stop it first (make stop), or give "
            "this one another --home and --port-offset"
        )
    if workers < 1:
        raise ServerError(f"--workers is {workers}: give at least 1")
    bounds = Bounds.of(server.settings)
    addresses = {name: address for name, address in ports.addresses(server.settings).items() if name in ADDRESSES}
    ports.check(addresses, server.port_offset)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s")
    allow_connections()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # while it starts: the workers end too
    listeners = [_listener(*addresses["inference_address"], shared=True) for _ in range(workers)]
    own = [_listener(*addresses[name]) for name in ("management_address", "metrics_address")]
    for listener in own:
        listener.listen()  # from now on another server finds the port taken, also while this one loads
    settings = Settings(
        int(server.settings["job_queue_size"]),
        int(server.settings["max_request_size"]),
        _grpc_address(addresses),
        bounds.max_connections,
    )
    server.write_home()
    try:
        state = unpack_store(server.store, server.unpacked, bounds.other_versions)
        fleet = Workers(listeners, settings, state, bounds.load_timeout)
        try:
            fleet.start()
            management = Management(fleet, server.store, server.unpacked, addresses["metrics_address"][1])
            asyncio.run(_manage(management, own, drain, server))
        finally:
            fleet.stop()
    finally:
        server.leave_home()


async def _manage(management: Management, listeners: list[socket.socket], drain: float, server: Server) -> None:
    config = uvicorn.Config(
        management,
        http=Guarded,
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=LAST_CALLS,
    )
    manager = uvicorn.Server(config)
    serving = asyncio.create_task(manager._serve(sockets=listeners))  # without uvicorn's own handlers of signals
    counting = asyncio.create_task(management.count())
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    print(f"serving {', '.join(sorted(management.workers.state.defaults))} at {server.inference}", flush=True)
    await told.wait()
    server.draining.touch()
    counting.cancel()
    loop = asyncio.get_running_loop()
    # Calls to a worker that hangs may have all of the loop's own threads.
    with ThreadPoolExecutor() as threads:
        # Where no worker runs there is nothing to drain; where one loads a version, or hangs, it is not waited for.
        with suppress(QueueFull, TimeoutError):
            draining = loop.run_in_executor(threads, management.workers.call, "drain")
            await asyncio.wait_for(draining, max(drain, LAST_CALLS))
        await asyncio.sleep(drain)
        await loop.run_in_executor(threads, management.workers.stop)
    manager.should_exit = True
    await serving


def _grpc_address(addresses: dict[str, ports.Address]) -> str | None:
    """Where the workers answer gRPC; None where the configuration has no port for it, or nothing to do it with."""
    host, port = addresses.get("grpc_inference_port", ("", 0))
    if not port:
        return None
    if not STUBS.is_file():
        logger.warning("gRPC is not served: make stubs makes the modules that it needs, in client/stubs/")
        return None
    return ports.written(host, port)


def _listener(host: str, port: int, shared: bool = False) -> socket.socket:
    """A socket to listen on later; ``shared``: one of several at this address, which share out its connections."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((host, port))
    listener.setblocking(False)
    return listener


def unpack_store(store: Path, unpacked: Path, others: int = sys.maxsize) -> State:
    """Unpack the archives of a store that may be served, in folders in ``unpacked``, which is emptied first.

    ``others``: how many versions of each model beside its default at most, the newest ones. An archive that is damaged,
    or that only TorchServe can serve, is left out, unless it is a default. Raises ArchiveRefused.
    """
    shutil.rmtree(unpacked, ignore_errors=True)
    unpacked.mkdir(parents=True)
    state = State([], {})
    for found in archives_in(store, others):
        folder = tempfile.mkdtemp(prefix=f"{found.model}-{found.version}-store-", dir=unpacked)
        try:
            unpack(found.path, Path(folder))
            if not (found.is_default or has_host(Path(folder))):
                raise ArchiveRefused(f"{found.path.name} was packed by a release that knew TorchServe alone")
        except ArchiveRefused as error:
            shutil.rmtree(folder)
            if found.is_default:
                raise
            logger.error("%s; it is not served", error)
            continue
        state.folders.append(folder)
        if found.is_default:
            state.defaults[found.model] = found.version
    return state
