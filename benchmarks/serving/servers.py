"""The servers that are measured, each started in turn and ended."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import requests
import yaml

from archives.contents import CONFIG as CONFIG_FILE
from serving.config import CONFIG, ROOT
from serving.ports import free_ports, on_free_ports
from serving.server import Host, Server

PEERS = Path(__file__).with_name("peers")
PEER = "deepfm"  # the model that every server serves
PROBE = {"user_id": 1, "movie_id": 1}


def repacked(source: Path, target: Path, files: dict[str, str]) -> Path:
    """An archive with the contents of another, some of its files replaced."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            new.writestr(name, files.get(name, old.read(name)))
    return target


def file_in(archive: Path, name: str) -> str:
    with zipfile.ZipFile(archive) as packed:
        return packed.read(name).decode()


def configured(mar: Path, changed: dict[str, Any]) -> dict[str, str]:
    """An archive's model-config.yaml with some settings changed, as ``repacked`` takes it: file to text.

    ``{"handler": {...}}`` changes single settings of the handler.
    """
    config = yaml.safe_load(file_in(mar, CONFIG_FILE))
    handler = config["handler"] | changed.get("handler", {})
    return {CONFIG_FILE: yaml.safe_dump(config | changed | {"handler": handler}, sort_keys=False)}


def end_on_sigterm() -> None:
    """Let a benchmark that is killed stop its server first, which would slow down the next one."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))


@contextmanager
def torchserve(
    folder: Path, archives: dict[str, Path], default_settings: bool = False, changed: dict[str, str] | None = None
) -> Iterator[Server]:
    """TorchServe on free ports with one archive a model, under our settings (some ``changed``) or under its own."""
    with running(folder, archives, "torchserve", changed, () if default_settings else (CONFIG,)) as server:
        yield server


@contextmanager
def running(
    folder: Path,
    archives: dict[str, Path],
    host: Host,
    changed: dict[str, str] | None = None,
    config: Sequence[Path] = (CONFIG,),
) -> Iterator[Server]:
    """A server on free ports with one archive a model, under the settings of ``config``, some ``changed``."""
    store, home = folder / "store", folder / "home"
    shutil.rmtree(folder, ignore_errors=True)
    store.mkdir(parents=True)
    for model, path in archives.items():
        shutil.copyfile(path, store / f"{model}.mar")
    overrides = (
        on_free_ports()
        | {
            "load_models": ",".join(f"{model}={model}.mar" for model in archives),
            # Without it every request needs a token; it is the one default that is changed for everybody.
            "disable_token_authorization": "true",
        }
        | (changed or {})
    )
    end_on_sigterm()
    server = Server(store, home, overrides, config=config, host=host)
    server.start(timeout=300)
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def process(command: list[str], url: str, environment: dict[str, str]) -> Iterator[str]:
    """A peer from the benchmark's environment that answers a probe at ``url``; ended with its children."""
    end_on_sigterm()
    running = subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 300
        while True:
            try:
                if requests.post(url, json=PROBE, timeout=5).ok:
                    break
            except requests.RequestException:  # it does not listen yet, or takes its time over its first answer
                pass
            if running.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{' '.join(command)} does not answer at {url}")
            time.sleep(0.2)
        yield url
    finally:
        os.killpg(running.pid, signal.SIGTERM)
        try:
            running.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()


def fastapi(build: Path, workers: int, scorer: str = "network") -> AbstractContextManager[str]:
    """FastAPI under uvicorn; ``scorer``: of ``peers.network.SCORERS``."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "uvicorn", "benchmarks.serving.peers.fastapi_app:app", "--port", str(port)]
    command += ["--workers", str(workers), "--no-access-log", "--log-level", "warning"]
    return process(command, f"http://127.0.0.1:{port}/predict", {"BUILD": str(build), "SCORER": scorer})


@contextmanager
def asgi(folder: Path, archive: Path, workers: int = 1) -> Iterator[str]:
    """Our own server; yields the address of its predictions."""
    with running(folder, {PEER: archive}, "asgi", {"default_workers_per_model": str(workers)}) as server:
        yield f"{server.inference}/predictions/{PEER}"


def plain_asgi(server: str, folder: Path) -> AbstractContextManager[str]:
    """Our application without our shortcut, under ``uvicorn`` or ``granian``; the archive is unpacked in ``folder``."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", server, "benchmarks.serving.peers.asgi_app:app", "--port", str(port)]
    command += ["--loop", "uvloop", "--no-access-log", "--log-level", "warning"]
    command += ["--interface", "asgi"] if server == "granian" else ["--http", "httptools"]
    return process(command, f"http://127.0.0.1:{port}/predictions/{PEER}", {"FOLDER": str(folder)})


def mosec(build: Path, scorer: str = "network") -> AbstractContextManager[str]:
    """Mosec, batches of 64 within 2 ms; ``scorer``: of ``peers.network.SCORERS``."""
    (port,) = free_ports(1)
    command = [
        sys.executable,
        "-m",
        "benchmarks.serving.peers.mosec_app",
        "--port",
        str(port),
        "--address",
        "127.0.0.1",
    ]
    command += ["--log-level", "error"]
    return process(command, f"http://127.0.0.1:{port}/inference", {"BUILD": str(build), "SCORER": scorer})
