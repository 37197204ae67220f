"""The system of ``benchmarks.drill``: our own server, the gateway, and the autopilot, each a process of its own."""

from __future__ import annotations

import json
import os
import random
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import requests

from serving.config import ROOT
from serving.ports import free_ports, on_free_ports
from serving.server import Server
from serving.versions import Versions

MODEL = "mf"
# Fewer samples, and no choice of list rankers: a night takes seconds.
TRAIN = "--sweeps 20 --burn-in 5 --list-ridges 300 --list-dampings 0.1 --list-half-lives 0 --list-factors 64"
# A busy machine is not to refuse a version for its latency.
NIGHT = "--every 2 --share 0.2 --drain 1 --p99 20"
AT_ONCE = 300  # events of one request
PATIENCE = 300  # seconds for any one thing


class System:
    """All parts in a folder; every request through the gateway is counted."""

    def __init__(self, folder: Path, gateway: str, server: Server) -> None:
        self.folder, self.gateway, self.server = folder, gateway, server
        self.night: subprocess.Popen[bytes] | None = None
        self._asked: list[bool] = []  # of each request, whether it failed; appending is safe among threads
        self._sessions = threading.local()

    @classmethod
    @contextmanager
    def started(cls, folder: Path, base: pd.DataFrame, movies: pd.DataFrame) -> Iterator[System]:
        """Serve what is in ``folder``: at first MF, trained on the rows of ``base``."""
        if not (folder / "first").exists():
            _train(folder, base, movies)
        ports = on_free_ports() | {"load_models": f"{MODEL}={MODEL}.mar"}
        server = Server(folder / "store", folder / "home", ports, host="asgi")
        server.home.mkdir(exist_ok=True)
        with ExitStack() as stack:
            stack.callback(server.stop)
            server.start()
            (port,) = free_ports(1)
            system = cls(folder, f"http://127.0.0.1:{port}", server)
            command = [sys.executable, "-m", "web", "--port", str(port)]
            with (folder / "gateway.log").open("wb") as said:
                gateway = subprocess.Popen(command, cwd=ROOT, env=system.environment, stdout=said, stderr=said)
            stack.callback(gateway.wait, 30)
            stack.callback(gateway.terminate)
            _until(lambda: _answers(f"{system.gateway}/api/models"))
            yield system

    @property
    def environment(self) -> dict[str, str]:
        """That of the gateway and of the autopilot: one store of events, and no limits for one busy client."""
        return os.environ | {
            "TORCHSERVE_URL": self.server.inference,
            "EVENTS_URL": f"sqlite:///{self.folder}/events.db",
            "MODELS": MODEL,
            "RATE": "1000000/second",
            "EVENTS_RATE": "1000000/second",
        }

    @property
    def first_model(self) -> Path:
        """What the first version was packed from."""
        return self.folder / "first"

    def default(self) -> str:
        """The version that answers."""
        return Versions(self.server, MODEL).default()

    def counts(self) -> tuple[int, int]:
        """How many requests there were, and how many of them failed."""
        return len(self._asked), sum(self._asked)

    def ask(self, body: dict[str, Any]) -> dict[str, Any]:
        """The model's answer."""
        return self._post(f"predictions/{MODEL}", body).json()

    def top(self, user: int) -> list[int]:
        """The movies of a user's list."""
        return self.versioned(user)[0]

    def versioned(self, user: int) -> tuple[list[int], str]:
        """The movies of a user's list, and the version that made it."""
        response = self._post(f"predictions/{MODEL}", {"user_id": user, "k": 10})
        return [entry["movie_id"] for entry in response.json()["recommendations"]], response.headers["X-Model-Version"]

    def events(self, events: Iterable[dict[str, Any]]) -> None:
        """What people did."""
        given = list(events)
        for start in range(0, len(given), AT_ONCE):
            self._post("feedback", {"events": given[start : start + AT_ONCE]})

    def _post(self, path: str, body: dict[str, Any]) -> requests.Response:
        if not hasattr(self._sessions, "one"):
            self._sessions.one = requests.Session()
        failed = True
        try:
            response = self._sessions.one.post(f"{self.gateway}/api/{path}", json=body, timeout=60)
            failed = response.status_code != 200
            response.raise_for_status()
            return response
        finally:
            self._asked.append(failed)

    def step(self) -> str:
        """How far the night's run is: its step, "ended" where it works no more."""
        if self.night.poll() is not None:
            return "ended"
        return self._state().get("step", "")

    def _state(self) -> dict[str, Any]:
        path = self.server.store / "autopilot" / f"{MODEL}.json"
        return json.loads(path.read_text()) if path.exists() else {}

    def start_night(self, watch: float) -> None:
        """Start the autopilot, with a watch of so many minutes; returns when it watches, or when it has ended."""
        before = self._state().get("version")
        command = [sys.executable, "-m", "autopilot", MODEL, f"--train={_training(self.folder)} --events EVENTS_URL"]
        command += [
            "--build",
            str(self.folder / "build"),
            "--textfiles",
            str(self.folder),
            "--watch",
            str(watch),
            *NIGHT.split(),
        ]
        command += ["--store", str(self.server.store), "--home", str(self.server.home)]
        with (self.folder / "nights.log").open("ab") as said:
            self.night = subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=said, stderr=said)
        _until(lambda: self.step() == "ended" or (self._state().get("version") != before and self.step() == "watch"))

    def end_night(self) -> dict[str, Any]:
        """Wait for the end of the run; its state."""
        self.night.wait(PATIENCE)
        return self._state()


@contextmanager
def background(system: System, users: list[int]) -> Iterator[None]:
    """Somebody asks for a list five times a second while the block runs."""
    ended = threading.Event()

    def ask() -> None:
        rng = random.Random(2)
        while not ended.wait(0.2):
            try:
                system.top(rng.choice(users))
            except requests.RequestException as error:  # it is counted
                print(error, flush=True)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _train(folder: Path, base: pd.DataFrame, movies: pd.DataFrame) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    base.to_csv(folder / "base.csv", index=False)
    movies.to_csv(folder / "movies.csv", index=False)
    build = folder / "build"
    for command in (
        ["train", MODEL, "--build", str(build), *shlex.split(_training(folder))],
        ["archive", MODEL, "--build", str(build), "--store", str(folder / "store")],
    ):
        subprocess.run([sys.executable, "-m", "training", *command], cwd=ROOT, check=True)
    shutil.copytree(build / MODEL, folder / "first")


def _training(folder: Path) -> str:
    return f"--ratings {folder}/base.csv --movies {folder}/movies.csv --runs {folder}/runs {TRAIN}"


def _until(holds: Any) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {PATIENCE} s")
        time.sleep(0.2)


def _answers(url: str) -> bool:
    try:
        return "error" not in requests.get(url, timeout=10).json()["models"][0]
    except requests.RequestException:
        return False
