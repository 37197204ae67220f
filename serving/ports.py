"""The ports of the server and of the page: moved together, and checked before anything is started on them."""

from __future__ import annotations

import errno
import random
import socket
from pathlib import Path
from urllib.parse import urlsplit

import psutil

PAGE = 8000  # where the page listens without an offset, as web/settings.py has it
STEP = 100  # between the offsets that are proposed
FIRST = 10_000  # of the ports that are chosen by us: below, services have theirs

Address = tuple[str, int]  # host, port


class PortError(RuntimeError):
    """A port that cannot be listened on; the message says which, who has it, and how to choose others."""


def moved(settings: dict[str, str], offset: int) -> dict[str, str]:
    """A server's settings with every port ``offset`` higher. Raises PortError where a number is not a port any more."""
    changed = {}
    for name, (_, port) in addresses(settings).items():
        if not 0 < port + offset < 65536:
            raise PortError(f"PORT_OFFSET={offset} moves port {port} ({name}) to {port + offset}: give a smaller one")
        changed[name] = settings[name].removesuffix(str(port)) + str(port + offset)
    return settings | changed


def addresses(settings: dict[str, str]) -> dict[str, Address]:
    """Where a server with these settings listens, by the setting that says so; port 0 of gRPC is none."""
    found = {}
    for name, value in settings.items():
        if name.startswith("grpc_") and name.endswith("_port"):
            if int(value):
                found[name] = settings.get(name.replace("_port", "_address"), "127.0.0.1"), int(value)
        elif name.endswith("_address") and urlsplit(value).port:
            found[name] = urlsplit(value).hostname or "", urlsplit(value).port or 0
    return found


def written(host: str, port: int) -> str:
    """An address as it stands in a URL: IPv6 has brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def check(wanted: dict[str, Address], offset: int) -> None:
    """Raise PortError where a process listens on one of the addresses, whose ports are the usual ones plus ``offset``.

    The process may belong to anybody: the remedy moves our ports, and proposes an offset at which all are free.
    """
    taken = [f"port {port} ({name}) is taken by {_holder(port)}" for name, (host, port) in wanted.items()
             if not is_free(host, port)]  # fmt: skip
    if taken:
        ours = [(host, port - offset) for host, port in wanted.values()]
        offsets = range(offset + STEP, 50_000, STEP)
        free = (offset for offset in offsets if all(is_free(host, port + offset) for host, port in ours))
        other = next(free, offset + STEP)
        raise PortError(
            f"{'; '.join(taken)}. PORT_OFFSET={other} beside the same command moves all of our ports to free ones "
            f"(docs/operations.md)"
        )


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Java does: a closed server's port is free
        try:
            probe.bind((host, port))
        except OverflowError:
            return False
        except OSError as error:
            return error.errno != errno.EADDRINUSE  # any other error is reported by the server itself
    return True


def _holder(port: int) -> str:
    """The process that listens on a port, as far as the system tells us."""
    try:
        pids = [c.pid for c in psutil.net_connections("tcp") if c.laddr.port == port and c.status == "LISTEN"]
        process = psutil.Process(next(filter(None, pids)))
        return f"{process.name()} (process {process.pid} of {process.username()}, in {process.cwd()})"
    except (StopIteration, psutil.Error):
        return "another process"


def free_ports(count: int) -> list[int]:
    """Ports of the loopback interface that nobody listens on; no other call gets them while this process lives.

    The system gives none of them to a client's connection, or to whoever asks for any port: they are free also while a
    server takes its time to start, or is started again. Raises PortError where there are not so many.
    """
    found: list[int] = []
    chosen, end = random.Random(), _first_of_the_system()
    for _ in range(1000 * count):
        port = chosen.randrange(FIRST, end)
        if is_free("127.0.0.1", port) and _reserve(port):
            found.append(port)
            if len(found) == count:
                return found
    raise PortError(f"there are no {count} free ports from {FIRST} to {end - 1}")


def _first_of_the_system() -> int:
    """The first of the ports that the system gives to connections; 65536 where nearly all are the system's."""
    try:
        first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except OSError:
        first = 32768
    return first if first > FIRST + 1000 else 65536


def _reserve(port: int) -> bool:
    """Whether no other call has reserved a port: by a name that ends with its process, and leaves no file."""
    name = socket.socket(socket.AF_UNIX)
    try:
        name.bind(f"\0torchserve-recommender-port-{port}")
    except OSError as error:
        name.close()
        return error.errno != errno.EADDRINUSE  # a system without such names
    name.detach()  # it stays open
    return True


def on_free_ports() -> dict[str, str]:
    """Overrides for a server beside any other on the machine: every port free, and on loopback."""
    inference, management, metrics, grpc_inference, grpc_management, workers = free_ports(6)
    return {
        "inference_address": f"http://127.0.0.1:{inference}",
        "management_address": f"http://127.0.0.1:{management}",
        "metrics_address": f"http://127.0.0.1:{metrics}",
        "grpc_inference_port": str(grpc_inference),
        "grpc_management_port": str(grpc_management),
        "initial_worker_port": str(workers),
    }
