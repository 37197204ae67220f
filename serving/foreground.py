"""TorchServe in the foreground, for a service or a container; on SIGTERM it answers what has arrived and ends."""

from __future__ import annotations

import signal
import sys
import threading
import time

from .management import ManagementError, poll
from .server import Server, ServerError


def run(server: Server, drain: float) -> None:
    """Start, stay until SIGTERM or SIGINT, then answer what has arrived and end.

    TorchServe alone drops its requests in flight on SIGTERM, with exit code 143. Here ``ready`` fails from the signal
    on, so that no new requests are sent, and the server ends ``drain`` seconds after its queues are empty. ``drain``
    should be as long as the slowest request may take, and as the time between two of a load balancer's health checks.

    Raises ServerError where TorchServe does not start, or ends by itself.
    """
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    server.start(console=sys.stdout.buffer)
    print(f"TorchServe answers at {server.inference}", flush=True)
    while not told.wait(timeout=1):
        if server.process() is None:
            raise ServerError(f"TorchServe has ended by itself; its logs are in {server.home}")
    print(f"draining: the server ends {drain:g} s after its queues are empty", flush=True)
    server.draining.touch()
    _wait_for_queues(server)
    time.sleep(drain)
    server.stop()


def _wait_for_queues(server: Server) -> None:
    management = server.management_api(timeout=5)
    try:
        for versions in poll(lambda: [v for model in management.models() for v in management.versions(model)]):
            if not any(version["jobQueueStatus"]["pendingRequests"] for version in versions):
                return
    except ManagementError:
        pass  # it has ended already; whoever sent the signal limits how long an endless queue may take
