"""Ray Serve with the example's application, as a host of the contract beside TorchServe and our own server."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import requests

from serving.config import ROOT
from serving.ports import on_free_ports
from serving.server import Server
from tests.waiting import wait

MANAGED = ("torchserve", "asgi")  # hosts with addresses for management and metrics, which Ray Serve has not
IS_INSTALLED = importlib.util.find_spec("ray") is not None


class Ray:
    """What tests of the contract need of a running ``Server``, and its replicas."""

    def __init__(self, store: Path, log: Path) -> None:
        self.inference = on_free_ports()["inference_address"]
        self.settings = Server(store).settings
        program = Path(__file__).parent / "ray_program.py"
        variables = {"SERVING_STORE": str(store), "PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0"}
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, str(program), self.inference.rpartition(":")[2]],
                cwd=ROOT, env=os.environ | variables, stdin=subprocess.PIPE, stdout=file, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def replicas(self) -> set[int]:
        """The processes of the replicas."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        return {one.pid for one in children if "ServeReplica" in " ".join(one.cmdline())}

    def answers(self) -> bool:
        """Whether it is up."""
        try:
            return requests.get(f"{self.inference}/ping", timeout=30).status_code == 200
        except requests.RequestException:
            return False


@contextmanager
def running(store: Path, log: Path) -> Iterator[Ray]:
    """Both replicas of the example, with the archives of a store; ``log``: where Ray writes."""
    ray = Ray(store, log)
    try:
        wait(lambda: ray.process.poll() is not None or (ray.answers() and len(ray.replicas()) == 2), seconds=600)
        assert ray.process.poll() is None, log.read_text()[-3000:]
        yield ray
    finally:
        ray.process.communicate()  # at the end of its input it ends
        ray.process.kill()
