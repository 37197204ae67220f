"""TorchServe in the foreground."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import requests

from serving.config import ROOT
from serving.server import Server
from tests.conftest import server_on_free_ports
from tests.waiting import wait


def test_a_server_in_the_foreground_drains_when_it_is_told_to_end(store: Path, tmp_path: Path) -> None:
    other = server_on_free_ports(store, tmp_path, load_models="fm=fm.mar")
    config = tmp_path / "given.properties"
    config.write_text("".join(f"{name}={value}\n" for name, value in other.settings.items()))
    run = [sys.executable, "-m", "serving", "run", "--drain", "10", "--config", str(config)]
    process = subprocess.Popen([*run, "--store", str(store), "--home", str(tmp_path)], cwd=ROOT)
    try:
        check_drain(process, other)
    finally:
        process.kill()
        process.wait()
        other.stop()


def check_drain(process: subprocess.Popen, other: Server) -> None:
    def ready() -> bool:
        assert process.poll() is None
        return bool(other.process() and other.ready())

    wait(ready, seconds=300)
    codes = []
    metrics = f"{other.settings['metrics_address']}/metrics"
    many = {"instances": [{"user_id": 1, "k": 100}] * 1000}
    slow = threading.Thread(
        target=lambda: codes.append(
            requests.post(f"{other.inference}/predictions/fm", json=many, timeout=60).status_code
        )
    )
    slow.start()
    wait(lambda: "ts_inference_requests_total{" in requests.get(metrics, timeout=60).text)  # it has arrived
    process.send_signal(signal.SIGTERM)
    wait(other.draining.exists)
    late = requests.post(f"{other.inference}/predictions/fm", json={"user_id": 1, "k": 3}, timeout=60)
    assert not other.ready()
    assert process.wait(timeout=120) == 0
    slow.join()
    assert codes == [200]
    assert late.status_code == 200
    assert other.process() is None
