"""deploy/compose.yaml, built and started: TorchServe and the gateway, and Prometheus where its image is.

Needs root, podman with podman-compose, netavark, aardvark-dns, iptables and runc, and the base image in podman's
storage. Environment as for test_image.py.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from serving.config import MODELS, ROOT
from serving.ports import free_ports
from tests.archives.packing import repack
from tests.deploy.test_image import BASE, BUILDAH

pytestmark = pytest.mark.slow

PROMETHEUS = "docker.io/prom/prometheus:v3.5.0"
# Limits that a container with few rights of its own may set, and a runtime that takes any kind of control groups.
ENGINE = """
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
runtime = "runc"
"""


class Compose:
    """The commands of its user, on a copy of the project with archives of the tests."""

    def __init__(self, project: Path, ports: list[int]) -> None:
        self.project = project
        self.port, self.web, self.prometheus = ports
        (project / "containers.conf").write_text(ENGINE)
        names = ("RECOMMENDER_PORT", "WEB_PORT", "PROMETHEUS_PORT")
        self.environment = os.environ | BUILDAH | dict(zip(names, map(str, ports), strict=True))
        self.environment |= {
            "BUILDAH_FORMAT": "docker",
            "COMPOSE_PROJECT_NAME": "recommender-test",
            "CONTAINERS_CONF": str(project / "containers.conf"),
            "GRAFANA_PASSWORD": "of a test",
        }

    def run(self, *command: str) -> str:
        done = subprocess.run(command, cwd=self.project, env=self.environment, capture_output=True, text=True)
        assert done.returncode == 0, (command, done.stdout[-3000:], done.stderr[-3000:])
        return done.stdout

    def __call__(self, *arguments: str) -> str:
        return self.run("podman-compose", "-f", "deploy/compose.yaml", "--profile", "cpu", *arguments)

    def ask(self) -> requests.Response:
        """A question to the gateway."""
        body = {"user_id": 1, "k": 3}
        return requests.post(f"http://127.0.0.1:{self.web}/api/predictions/fm", json=body, timeout=30)

    def until(self, what: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline:
            try:
                if what():
                    return
            except requests.RequestException:
                pass
            time.sleep(1)
        raise AssertionError(self("logs", "torchserve")[-3000:])


@pytest.fixture
def compose(store: Path, tmp_path: Path) -> Iterator[Compose]:
    if os.geteuid() or not all(map(shutil.which, ("podman", "podman-compose", "runc", "iptables"))):
        pytest.skip("needs root, podman, podman-compose, runc and iptables")
    for name in ("archives", "client", "deploy", "experiments", "feedback", "serving", "web"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Dockerfile", ".dockerignore", "config.properties", "requirements.txt", "requirements-web.txt"):
        shutil.copyfile(ROOT / name, tmp_path / name)
    models = tmp_path / "model_store"
    models.mkdir()
    for name in MODELS:
        shutil.copyfile(store / f"{name}-1.0.mar", models / f"{name}-1.0.mar")
        shutil.copyfile(store / f"{name}-1.0.mar", models / f"{name}.mar")
    repack(store / "fm-1.0.mar", models / "fm-1.1.mar", "1.1")
    os.chown(models, 10001, 10001)
    for folder in (tmp_path, *tmp_path.parents[:2]):  # pytest's folders are for their owner alone
        folder.chmod(0o755)
    made = Compose(tmp_path, free_ports(3))
    if not made.run("podman", "images", "--quiet", BASE):
        pytest.skip(f"needs {BASE} in podman's storage")
    yield made
    made("down", "--volumes")


def test_what_compose_starts_answers_rolls_out_restarts_and_ends(compose: Compose) -> None:
    services = ["torchserve", "web"]
    if compose.run("podman", "images", "--quiet", PROMETHEUS):
        services.append("prometheus")
    compose("build", "torchserve", "web")
    compose("up", "--detach", "--no-build", *services)
    compose.until(lambda: compose.ask().status_code == 200)
    assert compose.ask().headers["X-Model-Version"] == "1.0"

    without_key = requests.post(f"http://127.0.0.1:{compose.port}/predictions/fm", json={"user_id": 1}, timeout=30)
    assert (without_key.status_code, without_key.json()["type"]) == (400, "InvalidKeyException")
    torchserve = described(compose, "torchserve")
    assert set(torchserve["NetworkSettings"]["Ports"]) & {"8081/tcp", "8082/tcp"} == {"8082/tcp"}
    assert [port for port, to in torchserve["NetworkSettings"]["Ports"].items() if to] == ["8080/tcp"]
    # The gateway reads the key, and sees no socket of a worker.
    seen = compose("exec", "-T", "web", "ls", "/run/torchserve", "/run/torchserve/tmp")
    assert "key_file.json" in seen
    assert ".ts.sock" in compose("exec", "-T", "torchserve", "ls", "-a", "/run/torchserve/tmp")
    assert ".ts.sock" not in compose("exec", "-T", "web", "ls", "-a", "/run/torchserve/tmp")
    if "prometheus" in services:
        compose.until(lambda: scraped(compose) == ["1"])

    rollout = ["python", "-m", "serving", "rollout", "fm", "--version", "1.1", "--drain", "1", "--p99", "1e6"]
    compose("exec", "-T", "torchserve", *rollout)
    assert compose.ask().headers["X-Model-Version"] == "1.1"

    compose("restart", "torchserve")  # with other keys
    compose.until(lambda: compose.ask().status_code == 200)
    assert compose.ask().headers["X-Model-Version"] == "1.1"

    compose("stop")
    assert described(compose, "torchserve")["State"]["ExitCode"] == 0
    assert described(compose, "web")["State"]["ExitCode"] == 0


def described(compose: Compose, service: str) -> dict[str, Any]:
    (name,) = compose.run(
        "podman", "ps", "--all", "--format={{.Names}}", f"--filter=label=com.docker.compose.service={service}",
        "--filter=label=io.podman.compose.project=recommender-test",
    ).split()  # fmt: skip
    return json.loads(compose.run("podman", "inspect", name))[0]


def scraped(compose: Compose) -> list[str]:
    address = f"http://127.0.0.1:{compose.prometheus}/api/v1/query"
    answer = requests.get(address, params={"query": 'up{job="torchserve"}'}, timeout=10).json()
    return [one["value"][1] for one in answer["data"]["result"]]
