"""The state file: read as it was written, and changed by one run at a time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from archives.errors import StoreError
from autopilot.errors import AutopilotError
from autopilot.state import State, StateFile
from autopilot.traffic import Count, Traffic


@pytest.fixture
def file(tmp_path: Path) -> StateFile:
    made = StateFile(tmp_path, "fm")
    with made.locked():
        return made


def test_a_state_is_read_as_it_was_written(file: StateFile) -> None:
    assert file.read() is None
    counts = Traffic(Count(1.0, 2.0), Count(3.0, 4.0))
    state = State(model="fm", started=1.5, version="1.1", before="1.0", step="watch", traffic_new=counts, why="“why”")
    file.write(state)
    assert file.read() == state
    assert sorted(path.name for path in file.path.parent.iterdir()) == ["fm.json", "fm.lock"]


NEWER = '{"model": "fm", "started": 1, "version": "1.1", "before": "1.0", "step": "a step of a later release"}'
OTHER = '{"model": "mf", "started": 1, "version": "1.1", "before": "1.0"}'


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[]", b'{"model": "fm"}', b'{"step": "fly"}', b"\xff", b"\0" * 99, NEWER.encode(), OTHER.encode()],
)
def test_a_file_that_is_no_state_is_a_clear_error(file: StateFile, text: bytes) -> None:
    file.path.write_bytes(text)
    with pytest.raises(AutopilotError, match=r"fm\.json is no state of the autopilot .*: make status .* begins anew"):
        file.read()


def test_the_state_of_another_release_may_have_more_fields_or_fewer(file: StateFile) -> None:
    file.path.write_text('{"model": "fm", "started": 1, "version": "1.1", "before": "1.0", "later": [1]}')
    assert file.read() == State(model="fm", started=1.0, version="1.1", before="1.0")


def test_what_cannot_be_read_or_locked_is_a_clear_error(file: StateFile, tmp_path: Path) -> None:
    file.path.mkdir()
    with pytest.raises(AutopilotError, match=r"is no state of the autopilot .*[Ii]s a directory"):
        file.read()
    (tmp_path / "store").write_text("a file where the folder should be")
    with pytest.raises(StoreError, match="autopilot cannot be written"), StateFile(tmp_path / "store", "fm").locked():
        pass


def test_one_run_at_a_time(file: StateFile, tmp_path: Path) -> None:
    other = StateFile(tmp_path, "mf")
    taken = pytest.raises(AutopilotError, match="a run for fm is at work already")
    with file.locked(), other.locked(), taken, StateFile(tmp_path, "fm").locked():
        pass
    with file.locked():
        pass


def test_the_training_of_a_killed_run_keeps_the_lock(file: StateFile) -> None:
    with file.locked() as lock:
        child = subprocess.Popen(
            [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(lock,)
        )  # goes on when the run is gone
    with pytest.raises(AutopilotError, match="the training of one that was killed"), file.locked():
        pass
    child.communicate(b"\n")
    with file.locked():
        pass
