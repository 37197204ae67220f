"""What people and Prometheus are told."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from autopilot.alert import Alert
from autopilot.errors import AutopilotError
from autopilot.state import State


def state(outcome: str, why: str = "") -> State:
    return State(model="fm", started=1.0, version="1.1", before="1.0", outcome=outcome, why=why, ended=1234.5)


def metrics(folder: Path) -> dict[str, float]:
    """By the outcome, and the time as "ended"."""
    text = (folder / "autopilot-fm.prom").read_text()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    assert {sample.labels["model"] for sample in samples} == {"fm"}
    return {sample.labels.get("outcome", "ended"): sample.value for sample in samples}


def test_prometheus_sees_how_and_when_the_latest_run_ended(tmp_path: Path) -> None:
    alert = Alert(textfiles=tmp_path)
    for outcome in ("refused", "rolled out", "rolled back", "not rolled back", "replaced"):
        alert.ended(state(outcome))
        found = metrics(tmp_path)
        assert found.pop("ended") == 1234.5
        assert [name for name, value in found.items() if value] == [outcome]
        assert found.keys() == {"rolled out", "refused", "rolled back", "not rolled back", "replaced", "failed"}
    assert [path.name for path in tmp_path.iterdir()] == ["autopilot-fm.prom"]


def test_a_command_is_told_what_did_not_end_well(tmp_path: Path) -> None:
    alert = Alert(notify=f"cat > {tmp_path}/told")
    alert.ended(state("rolled out"))
    assert not (tmp_path / "told").exists()
    alert.ended(state("refused", "its “rmse” is $HOME; `ls`"))
    assert json.loads((tmp_path / "told").read_text()) == {
        "model": "fm", "outcome": "refused", "version": "1.1", "before": "1.0", "ended": 1234.5,
        "why": "its “rmse” is $HOME; `ls`",
    }  # fmt: skip


def test_a_run_that_cannot_go_on_is_told_with_its_step(tmp_path: Path) -> None:
    Alert(f"cat > {tmp_path}/told", tmp_path).failed(state(""), "no disk")
    assert json.loads((tmp_path / "told").read_text())["why"] == "at the step train: no disk"
    assert metrics(tmp_path)["failed"] == 1


def test_a_command_or_a_folder_that_fails_is_a_clear_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    alert = Alert(notify="exit 3")
    with pytest.raises(AutopilotError, match=r"--notify failed: .*'exit 3' .*status 3.* It was to tell .*refused"):
        alert.ended(state("refused"))
    alert.failed(state(""), "no disk")
    assert "no disk" in capsys.readouterr().out
    with pytest.raises(AutopilotError, match=r"--textfiles: .*nowhere/autopilot-fm.prom cannot be written"):
        Alert(f"cat > {tmp_path}/told", tmp_path / "nowhere").ended(state("refused"))
    assert (tmp_path / "told").exists(), "one of both is told at least"


def test_a_command_that_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autopilot.alert.PATIENCE", 5)  # the shell has begun its command by then
    with pytest.raises(AutopilotError, match=r"--notify failed: .*timed out"):
        Alert(notify=f"sleep 60 & echo $! > {tmp_path}/pid; wait").ended(state("refused"))
    child = int((tmp_path / "pid").read_text())
    with suppress(psutil.NoSuchProcess):
        process, deadline = psutil.Process(child), time.monotonic() + 60
        while process.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline, "what it has started goes on"
            time.sleep(0.1)
