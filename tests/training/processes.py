"""What several processes find together, in the place of one."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.multiprocessing import spawn

from training import calls, distributed

COUNT = 2


def found_together(find: Callable[[], Any], folder: Path) -> Any:
    """What ``find``, a function of a module, returns in the first of ``COUNT`` processes, the others taking part.

    It goes through ``folder`` as a file, so it is of tensors and containers.
    """
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    spawn(_process, (find, folder, port), nprocs=COUNT)
    return torch.load(folder / "together.pt")


def _process(rank: int, find: Callable[[], Any], folder: Path, port: int) -> None:
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(COUNT)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    with distributed.processes(torch.device("cpu")):
        calls.led(lambda: torch.save(find(), folder / "together.pt"))
