"""The load of events runs, and what is acknowledged is counted in the store."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from serving.config import ROOT


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("wrk"), reason="needs wrk")
def test_a_second_of_each_load() -> None:
    command = [sys.executable, "-m", "benchmarks.serving.feedback", "--seconds", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "| 100 events |" in done.stdout
