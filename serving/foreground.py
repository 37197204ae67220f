"""TorchServe as a service or a container runs it: in the foreground, and drained when it is told to end."""

from __future__ import annotations

import signal
import sys
import threading
import time

from .management import Management, ManagementError, looks
from .server import Server, ServerError


def run(server: Server, drain: float) -> None:
    """Start, stay until SIGTERM or SIGINT, then answer what has arrived and end.

    TorchServe alone drops its requests in flight when it is told to end, with exit code 143. Here ``ready`` says no
    from the signal on, so that nothing new is sent, and the server ends ``drain`` seconds after its queues are empty:
    as long as the slowest request may take, and long enough for a load balancer to have asked ``ready``.

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
    management = Management(server.management, timeout=5, token=server.token("management"))
    try:
        for versions in looks(lambda: [one for model in management.models() for one in management.versions(model)]):
            if not any(version["jobQueueStatus"]["pendingRequests"] for version in versions):
                return
    except ManagementError:
        pass  # it has ended already; whoever sent the signal limits how long an endless queue may take
