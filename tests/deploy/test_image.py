"""The images of TorchServe, our own server and the page's gateway, built and run as their own configurations say.

Needs root, buildah and a base image (python:3.11-slim-bookworm, or a stand-in of that name) in its storage. It runs in
namespaces of its own, so that the ports are those of the image. ``TORCH_INDEX`` goes to the build, as in the Makefile.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest

from serving.config import MODELS, ROOT
from tests.archives.packing import repack

pytestmark = pytest.mark.slow

BUILDAH = {"BUILDAH_ISOLATION": "chroot", "STORAGE_DRIVER": "vfs"}
BASE = "docker.io/library/python:3.11-slim-bookworm"

# What an engine does for: run --read-only --cap-drop ALL --network none, where the image has these folders with
# --tmpfs /run/torchserve --volume ...:/models
RUN = """
set -e
root=$1 models=$2 user=$3 workdir=$4; shift 4
mount --make-rprivate /
mount --bind "$root" "$root"
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
if [ -d "$root/models" ]; then
  mount --bind "$models" "$root/models"
  mount -t tmpfs -o mode=1777,size=512m tmpfs "$root/run/torchserve"
fi
mount -o remount,bind,ro "$root"
ip link set lo up
exec setpriv --no-new-privs chroot --userspec="$user:$user" --groups= "$root" env -C "$workdir" "$@"
"""


def buildah(*arguments: str, **options: Any) -> str:
    done = subprocess.run(
        ["buildah", *arguments], env=os.environ | BUILDAH, capture_output=True, text=True, cwd=ROOT, **options
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.strip()


class Image(NamedTuple):
    root: Path
    config: dict[str, Any]


@contextmanager
def built(target: str) -> Iterator[Image]:
    if os.geteuid() or not shutil.which("buildah"):
        pytest.skip("needs root and buildah")
    if not buildah("images", "--quiet", "--filter", f"reference={BASE}"):
        pytest.skip(f"needs {BASE} in buildah's storage")
    index = ["--build-arg", f"TORCH_INDEX={os.environ['TORCH_INDEX']}"] if os.environ.get("TORCH_INDEX") else []
    tag = f"recommender:test-{target}"
    buildah("bud", "--layers", "--format", "docker", "--pull-never", *index, "--target", target, "-t", tag, ".")
    container = buildah("from", "--pull-never", tag)
    config = json.loads(buildah("inspect", "--type", "image", tag))["Docker"]["config"]
    yield Image(Path(buildah("mount", container)), config)
    buildah("rm", container)


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    with built("cpu") as made:
        yield made


@pytest.fixture(scope="module")
def asgi_image() -> Iterator[Image]:
    with built("asgi") as made:
        yield made


@pytest.fixture(scope="module")
def web_image() -> Iterator[Image]:
    with built("web") as made:
        yield made


class Running:
    """A container, as far as a test needs one."""

    def __init__(self, image: Image, models: Path) -> None:
        for folder in (models, *models.parents[:2]):  # pytest's folders are for their owner alone
            folder.chmod(0o755)
        config = image.config
        command = ["unshare", "--mount", "--pid", "--net", "--ipc", "--fork", "--kill-child", "sh", "-c", RUN, "run"]
        command += [str(image.root), str(models), config["User"], config["WorkingDir"], "env", "-i", *config["Env"]]
        command += [*(config["Entrypoint"] or []), *config["Cmd"]]
        self.image = image
        self.log = models / "console.txt"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        time.sleep(0.5)

    @property
    def first(self) -> psutil.Process:
        """The container's process 1."""
        children = psutil.Process(self.process.pid).children()
        assert children, self.log.read_text()
        return children[0]

    def inside(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the container, as "docker exec" does."""
        config = self.image.config
        enter = ["nsenter", "-t", str(self.first.pid), "--mount", "--pid", "--net", "chroot"]
        enter += [f"--userspec={config['User']}:{config['User']}", "--groups=", f"/proc/{self.first.pid}/root"]
        enter += ["env", "-i", "-C", config["WorkingDir"], *config["Env"]]
        return subprocess.run([*enter, *command], capture_output=True, text=True, timeout=180)

    def curl(self, *arguments: str) -> subprocess.Popen[str]:
        """curl from this machine in the container's network."""
        return subprocess.Popen(
            ["nsenter", "-t", str(self.first.pid), "--net", "curl", "-sS", "--max-time", "60", *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def wait_until_healthy(self) -> None:
        _, *check = self.image.config["Healthcheck"]["Test"]
        deadline = time.monotonic() + 120
        while self.inside(*check).returncode:
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.5)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def models(mixed_store: Path, tmp_path: Path) -> Path:
    """A store for a container: version 1.0 of each model, and fm 1.1; FM's networks are of torch.export."""
    for model in MODELS:
        shutil.copyfile(mixed_store / f"{model}-1.0.mar", tmp_path / f"{model}-1.0.mar")
        shutil.copyfile(mixed_store / f"{model}-1.0.mar", tmp_path / f"{model}.mar")
    repack(mixed_store / "fm-1.0.mar", tmp_path / "fm-1.1.mar", "1.1")
    os.chown(tmp_path, 10001, 10001)
    return tmp_path


@pytest.fixture
def running(image: Image, models: Path) -> Iterator[Running]:
    container = Running(image, models)
    yield container
    container.end()


@pytest.fixture
def running_asgi(asgi_image: Image, models: Path) -> Iterator[Running]:
    container = Running(asgi_image, models)
    yield container
    container.end()


def token(container: Running, kind: str) -> str:
    return json.loads(container.inside("cat", "/run/torchserve/key_file.json").stdout)[kind]["key"]


def test_what_the_image_says(image: Image) -> None:
    config = image.config
    assert config["User"] == "10001"
    assert config["Entrypoint"][0] == "tini"
    assert not any(one.startswith("PYTHONPATH") for one in config["Env"])
    assert config["Healthcheck"]["Test"] == ["CMD", "python", "-m", "serving", "ready"]
    assert not list(image.root.glob("models/*"))


def check_that_nothing_can_be_written(container: Running) -> None:
    assert container.inside("id", "-u").stdout.strip() == "10001"
    assert "Read-only file system" in container.inside("touch", "/app/x").stderr
    for process in container.first.children(recursive=True):
        assert process.uids().real == 10001, process


def check_lists(container: Running, headers: list[str]) -> None:
    """Every model answers, also where its network has to run: for a new user."""
    for model in MODELS:
        for who in ({"user_id": 11}, {"ratings": [{"movie_id": 103, "rating": 5}], "explain": True}):
            url, body = f"http://127.0.0.1:8080/predictions/{model}", json.dumps(who | {"k": 3})
            answer, _ = container.curl(url, *headers, "-d", body).communicate()
            assert len(json.loads(answer)["recommendations"]) == 3, answer


def check_that_it_drains(container: Running, ask: list[str]) -> None:
    """What has arrived, and what comes while it drains, is answered before it ends."""
    many = json.dumps({"instances": [{"user_id": 1, "k": 10}] * 1000})
    (container.log.parent / "many.json").write_text(many)
    slow = container.curl(*ask, "-o", "/dev/null", "-w", "%{http_code}", "-d", f"@{container.log.parent / 'many.json'}")
    time.sleep(0.1)
    start = time.monotonic()
    container.first.terminate()
    late = container.curl(*ask, "-o", "/dev/null", "-w", "%{http_code}", "-d", '{"user_id": 1, "k": 3}')
    _, *check = container.image.config["Healthcheck"]["Test"]
    assert container.inside(*check).returncode == 1
    assert slow.communicate()[0] == "200"
    assert late.communicate()[0] == "200"
    assert container.process.wait(timeout=60) == 0
    seconds = time.monotonic() - start
    print(f"ended {seconds:.1f} s after SIGTERM")
    assert seconds < 30  # what engines wait by default is set to 60 in deploy/compose.yaml


def test_it_answers_read_only_and_drains(running: Running) -> None:
    running.wait_until_healthy()
    check_that_nothing_can_be_written(running)
    ask = ["http://127.0.0.1:8080/predictions/fm", "-H", f"Authorization: Bearer {token(running, 'inference')}"]
    ask += ["-H", "Content-Type: application/json"]
    check_lists(running, ask[1:])
    refused, _ = running.curl(ask[0], "-d", "user_id=1").communicate()
    assert json.loads(refused)["type"] == "InvalidKeyException"
    time.sleep(1.5)  # workers report once a second
    metrics, _ = running.curl("http://127.0.0.1:8082/metrics").communicate()
    assert "ts_inference_requests_total" in metrics
    assert 'RecommenderRequests{ModelName="deepfm",ModelVersion="1.0"' in metrics

    rolled = running.inside(
        "python", "-m", "serving", "rollout", "fm", "--version", "1.1", "--drain", "1", "--p99", "1e6"
    )
    assert rolled.returncode == 0, rolled.stdout + rolled.stderr
    assert "fm 1.1 answers" in rolled.stdout
    check_that_it_drains(running, ask)
    assert "draining" in running.log.read_text()


def megabytes(root: Path) -> int:
    """The space that a file system has taken, as ``du`` measures it."""
    return int(subprocess.check_output(["du", "-s", "--block-size=1000000", root]).split()[0])


def test_our_own_server_needs_no_java_and_little_space(asgi_image: Image) -> None:
    root = asgi_image.root
    assert asgi_image.config["User"] == "10001"
    assert [(root / folder).stat().st_uid for folder in ("models", "run/torchserve")] == [10001, 10001]
    assert not list(root.rglob("*.jar"))
    assert not list(root.rglob("pip/__main__.py"))
    if not list(root.glob("opt/venv/lib/python3*/site-packages/torch-*+cpu.dist-info")):
        pytest.skip("needs torch's build for CPUs: TORCH_INDEX")
    taken, packages = megabytes(root), megabytes(root / "opt/venv")
    print(f"{taken} MB: {packages} of packages, {taken - packages} of the base image and ours")
    assert taken <= 700


def test_our_own_server_answers_read_only_and_drains(running_asgi: Running) -> None:
    running_asgi.wait_until_healthy()
    check_that_nothing_can_be_written(running_asgi)
    ask = ["http://127.0.0.1:8080/predictions/fm", "-H", "Content-Type: application/json"]
    check_lists(running_asgi, ask[1:])
    metrics, _ = running_asgi.curl("http://127.0.0.1:8082/metrics").communicate()
    assert 'RecommenderRequests{Level="Model",ModelName="deepfm",ModelVersion="1.0"' in metrics
    program = (
        "import grpc; from client.stubs import open_inference_pb2 as pb, open_inference_pb2_grpc as stubs; "
        "stub = stubs.GRPCInferenceServiceStub(grpc.insecure_channel('127.0.0.1:7070')); "
        "print(stub.ModelReady(pb.ModelReadyRequest(name='fm', version='1.1'), timeout=30).ready)"
    )
    assert running_asgi.inside("python", "-c", program).stdout == "True\n"
    check_that_it_drains(running_asgi, ask)


def test_the_gateway_serves_the_page_read_only_and_ends_when_told(web_image: Image, tmp_path: Path) -> None:
    assert web_image.config["User"] == "10001"
    container = Running(web_image, tmp_path)
    try:
        container.wait_until_healthy()
        assert container.first.uids().real == 10001
        assert "Read-only file system" in container.inside("touch", "/app/x").stderr
        page, _ = container.curl("http://127.0.0.1:8000/").communicate()
        assert "<title>" in page
        health, _ = container.curl("http://127.0.0.1:8000/health").communicate()
        assert json.loads(health) == {"status": "ok", "torchserve": "down"}
        container.first.terminate()
        assert container.process.wait(timeout=20) == 0
    finally:
        container.end()
