"""TorchServe in the foreground."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import requests

from serving.config import ROOT
from serving.server import Server
from tests.conftest import server_on_free_ports


def test_a_server_in_the_foreground_drains_when_it_is_told_to_end(fm: Server, tmp_path: Path) -> None:
    other = server_on_free_ports(fm.store, tmp_path, load_models="fm=fm.mar")
    config = tmp_path / "given.properties"
    config.write_text("".join(f"{name}={value}\n" for name, value in other.settings.items()))
    run = [sys.executable, "-m", "serving", "run", "--drain", "5", "--config", str(config)]
    process = subprocess.Popen([*run, "--store", str(fm.store), "--home", str(tmp_path)], cwd=ROOT)
    try:
        check_drain(process, other)
    finally:
        process.kill()
        process.wait()


def check_drain(process: subprocess.Popen, other: Server) -> None:
    deadline = time.monotonic() + 60
    while not (other.process() and other.ready()):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.2)

    codes = []
    many = {"instances": [{"user_id": 1, "k": 100}] * 1000}
    slow = threading.Thread(
        target=lambda: codes.append(
            requests.post(f"{other.inference}/predictions/fm", json=many, timeout=60).status_code
        )
    )
    slow.start()
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    late = requests.post(f"{other.inference}/predictions/fm", json={"user_id": 1, "k": 3}, timeout=30)
    assert not other.ready()
    assert process.wait(timeout=60) == 0
    slow.join()
    assert codes == [200]
    assert late.status_code == 200
    assert other.process() is None
