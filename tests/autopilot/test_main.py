"""The command, with real training: killed while it trains, it waits for what it left and goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from autopilot.__main__ import main
from autopilot.state import StateFile
from serving.config import ROOT
from serving.management import Management
from serving.server import Server
from tests.conftest import Planted
from tests.serving.conftest import options_of
from tests.serving.test_retrain import grown


def test_a_server_has_to_run_and_somebody_is_told_where_it_does_not(tmp_path: Path) -> None:
    alert = ["--notify", f"cat > {tmp_path}/told", "--textfiles", str(tmp_path)]
    with pytest.raises(SystemExit, match=f"error: no TorchServe runs from {tmp_path}: make serve starts it"):
        main(["fm", "--store", str(tmp_path), "--home", str(tmp_path), *alert])
    assert '"outcome":"failed"' in (tmp_path / "told").read_text()
    assert 'autopilot_outcome{model="fm",outcome="failed"} 1.0' in (tmp_path / "autopilot-fm.prom").read_text()


@pytest.mark.slow
def test_a_run_that_was_killed_while_it_trained_goes_on(
    fm: Server, events: str, planted: Planted, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "autopilot", "fm", f"--train={grown(planted, tmp_path)}"]
    command += ["--build", str(tmp_path / "build"), "--textfiles", str(tmp_path)]
    command += ["--watch", "0.02", "--every", "0.2", "--p99", "1e6", "--drain", "0", *options_of(fm)]
    killed = subprocess.Popen(command, cwd=ROOT)
    while not (training := psutil.Process(killed.pid).children()):
        time.sleep(0.1)
    training[0].suspend()
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert again.returncode == 1
    assert "error: a run for fm is at work already, or the training of one that was killed" in again.stderr
    training[0].resume()
    psutil.wait_procs(training, timeout=120)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the run before, for 1.1, was cut short; it goes on at: train" in done.stdout
    assert "fm 1.1: rolled out." in done.stdout
    assert Management(fm.management).describe("fm")["modelVersion"] == "1.1"
    assert StateFile(fm.store, "fm").read().outcome == "rolled out"
    assert 'autopilot_outcome{model="fm",outcome="rolled out"} 1.0' in (tmp_path / "autopilot-fm.prom").read_text()
