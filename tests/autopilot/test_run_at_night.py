"""What may go wrong around a run at night: the server, the store, the clock, another run, archives that are gone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
import pytest
import requests

from archives.errors import StoreError
from archives.store import locked
from autopilot.errors import AutopilotError
from autopilot.holdout import Holdout
from autopilot.run import Run
from autopilot.state import State
from feedback.experiments import ExperimentError
from feedback.store import Store, StoreDown
from serving.management import ManagementError
from serving.retrain import Training
from serving.rollout import Rollout
from serving.versions import Versions
from tests.archives.packing import repack
from tests.autopilot.test_run import served, told


@contextmanager
def impatiently(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Let a run end where its errors are not over in a second."""
    with monkeypatch.context() as patch:
        patch.setattr("autopilot.run.PATIENCE", 1.0)
        yield patch


def test_a_store_of_events_that_is_down_leaves_the_errors_watched(
    run: Run, events: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "events.db").write_text("this is no database")
    said: list[str] = []
    run.say = said.append
    with impatiently(monkeypatch), pytest.raises(StoreDown, match="file is not a database"):
        run.run()
    (tmp_path / "events.db").unlink()
    said.clear()
    real = Versions.default

    def default(versions: Versions) -> str | None:
        if (run.store / "fm-1.1.mar").exists():
            (tmp_path / "events.db").write_text("this is no database")
            (tmp_path / "events.db-wal").unlink(missing_ok=True)  # it may hold the whole database
        return real(versions)

    monkeypatch.setattr(Versions, "default", default)
    Store(events).add_events([])
    assert run.run().outcome == "rolled out"
    assert any("what lists earn is not known now" in line for line in said)


def test_a_rollback_does_not_need_the_store_of_events(run: Run, tmp_path: Path) -> None:
    run.run()
    run.file.write(msgspec.structs.replace(run.file.read(), step="roll back", outcome="rolled back"))
    (tmp_path / "events.db").write_text("this is no database")
    assert run.run().outcome == "rolled back"
    assert served(run.server) == ("1.0", ["1.0"], "1.0")


def test_a_server_that_is_down_fails_a_run_which_goes_on_when_it_is_back(run: Run, monkeypatch) -> None:
    with impatiently(monkeypatch) as patch:

        def down(*_: object) -> None:
            raise ManagementError("is TorchServe up?")

        patch.setattr(Versions, "default", down)
        with pytest.raises(ManagementError):
            run.run()
    assert run.run().outcome == "rolled out"


def test_metrics_that_cannot_be_read_for_a_moment_end_no_watch(run: Run, monkeypatch) -> None:
    real, calls = run._counted, []

    def counted(state):
        calls.append(1)
        if len(calls) == 1:
            raise requests.ConnectionError("refused")
        return real(state)

    monkeypatch.setattr(run, "_counted", counted)
    said: list[str] = []
    run.say = said.append
    assert run.run().outcome == "rolled out"
    assert any("how 1.1 does is not known now: refused" in line for line in said)


def test_a_second_run_ends_and_somebody_is_told(run: Run, tmp_path: Path) -> None:
    told(run, tmp_path)
    with run.file.locked(), pytest.raises(AutopilotError, match="a run for fm is at work already"):
        run.run()
    assert [message["outcome"] for message in told(run, tmp_path)] == ["failed"]


@pytest.mark.parametrize("step", ["roll out", "retire"])
def test_somebody_elses_rollout_is_waited_for(run: Run, step: str) -> None:
    """As that of another model, whose run began at the same minute."""
    real, other, said = run.steps[step], ExitStack(), []

    def held(state):
        if not said:
            other.enter_context(locked(run.store))
        return real(state)

    def say(line: str) -> None:
        said.append(line)
        other.close()

    run.steps[step] = held
    run.say = say
    assert run.run().outcome == "rolled out"
    assert any(f"{step} is tried again: another rollout is changing" in line for line in said)
    assert served(run.server) == ("1.1", ["1.1"], "1.1")


def test_a_server_that_is_started_again_during_the_watch_is_waited_for(run: Run, monkeypatch) -> None:
    real, left = Versions.default, [None, ManagementError("refused")]

    def default(versions: Versions) -> str | None:
        if (run.file.read() or State(model="fm", started=0, version="", before="")).step == "watch" and left:
            answer = left.pop()
            if isinstance(answer, Exception):
                raise answer
            return answer
        return real(versions)

    monkeypatch.setattr(Versions, "default", default)
    said: list[str] = []
    run.say = said.append
    assert run.run().outcome == "rolled out"
    assert [line for line in said if "how 1.1 does is not known now" in line] == said
    assert len(said) == 2


@pytest.fixture
def full_disk_once(run: Run, monkeypatch) -> Callable[[Callable[[State], bool]], None]:
    """Lets the first write of a state of which something holds fail."""

    def make(holds: Callable[[State], bool]) -> None:
        real, failures = run.file.write, [StoreError("No space left on device")]

        def write(state: State) -> State:
            if holds(state) and failures:
                raise failures.pop()
            return real(state)

        monkeypatch.setattr(run.file, "write", write)

    return make


def test_a_disk_that_is_full_for_a_moment_ends_no_watch(run: Run, full_disk_once) -> None:
    full_disk_once(lambda state: state.traffic_last is not None)
    said: list[str] = []
    run.say = said.append
    assert run.run().outcome == "rolled out"
    assert said == ["fm: how 1.1 does is not known now: No space left on device"]


def test_a_disk_that_is_full_when_harm_was_found_keeps_no_rollback_for_the_next_night(
    run: Run, full_disk_once, monkeypatch
) -> None:
    monkeypatch.setattr("autopilot.holdout.Holdout.harm", lambda holdout: "1.0 earns more")
    full_disk_once(lambda state: state.step == "roll back")
    said: list[str] = []
    run.say = said.append
    assert run.run().outcome == "rolled back"
    assert said == ["fm: writing its state is tried again: No space left on device"]


def test_a_server_that_stays_away_ends_a_watch_which_goes_on_when_it_is_back(run: Run, monkeypatch) -> None:
    def away(state):
        raise requests.ConnectionError("refused")

    with impatiently(monkeypatch) as patch:
        patch.setattr(run, "_counted", away)
        with pytest.raises(requests.ConnectionError):
            run.run()
    assert run.file.read().step == "watch"
    assert run.run().outcome == "rolled out"


def test_a_store_of_events_that_is_locked_for_a_moment_is_waited_for(run: Run, monkeypatch) -> None:
    real, failures = Holdout.check, [StoreDown("database is locked")]

    def check(holdout: Holdout) -> None:
        if failures:
            raise failures.pop()
        real(holdout)

    monkeypatch.setattr(Holdout, "check", check)
    assert run.run().outcome == "rolled out"
    assert not failures


def test_a_rollback_is_tried_again(run: Run, monkeypatch) -> None:
    monkeypatch.setattr("autopilot.holdout.Holdout.harm", lambda holdout: "1.0 earns more")
    real, failures = Rollout._verify, [StoreError("No space left on device")]

    def verify(rollout: Rollout) -> None:
        if rollout.why == "rollback" and failures:
            raise failures.pop()
        real(rollout)

    monkeypatch.setattr(Rollout, "_verify", verify)
    assert run.run().outcome == "rolled back"
    assert not failures
    assert served(run.server) == ("1.0", ["1.0"], "1.0")


def test_a_clock_that_was_set_back_makes_no_watch_longer(run: Run) -> None:
    run.run()
    state = msgspec.structs.replace(run.file.read(), step="watch", outcome="", watch_until=time.time() + 86_400)
    run.file.write(state)
    started = time.monotonic()
    assert run.run().outcome == "rolled out"
    assert time.monotonic() - started < 1000  # and not a day


def test_the_archive_of_the_new_version_that_was_deleted_is_refused(run: Run) -> None:
    real = run.steps["roll out"]

    def roll_out(state):
        (run.store / "fm-1.1.mar").unlink()
        return real(state)

    run.steps["roll out"] = roll_out
    state = run.run()
    assert (state.outcome, "fm-1.1.mar does not exist" in state.why) == ("refused", True)


def test_the_version_before_answers_again_also_where_its_archive_was_deleted(run: Run, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr("autopilot.holdout.Holdout.harm", lambda holdout: "1.0 earns more")
    archive, real = run.store / "fm-1.0.mar", run.steps["roll back"]

    def roll_back(state):
        archive.rename(tmp_path / archive.name)
        return real(state)

    run.steps["roll back"] = roll_back
    try:
        state = run.run()
    finally:
        (tmp_path / archive.name).rename(archive)
    assert state.outcome == "rolled back"
    assert "1.0 answers, but after a restart 1.1 does: " in state.why
    assert served(run.server) == ("1.0", ["1.0", "1.1"], "1.1")


def test_a_version_that_is_gone_is_told_of_once_and_keeps_no_later_run_from_beginning(
    run: Run, monkeypatch, tmp_path: Path
) -> None:
    archive, elsewhere, real = run.store / "fm-1.0.mar", tmp_path / "fm-1.0.mar", run.steps["roll back"]

    def roll_back(state):
        if archive.exists():
            archive.rename(elsewhere)
            run.versions.management.set_default("fm", "1.1")
            run.versions.unregister("1.0")
        return real(state)

    def make(_: Training, store: Path, model: str, version: str, held: tuple[int, ...]) -> None:
        repack(elsewhere, store / f"{model}-{version}.mar", version)

    told(run, tmp_path)
    run.steps["roll back"] = roll_back
    try:
        with monkeypatch.context() as patch:
            patch.setattr("autopilot.holdout.Holdout.harm", lambda holdout: "1.0 earns more")
            state = run.run()
        assert (state.outcome, state.step) == ("not rolled back", "done")
        assert state.why.startswith("1.0 earns more. 1.1 goes on answering, because 1.0 cannot: ")
        assert "Put that archive back and run make rollback MODEL=fm, or choose another version" in state.why
        assert served(run.server) == ("1.1", ["1.1"], "1.1")
        monkeypatch.setattr("serving.retrain.Training.make", make)
        assert (run.run().version, run.file.read().outcome) == ("1.2", "rolled out")
    finally:
        elsewhere.rename(archive)
    assert [message["outcome"] for message in told(run, tmp_path)] == ["not rolled back"]


def test_an_experiment_that_somebody_begins_at_the_same_moment_ends_no_watch(
    run: Run, events: str, monkeypatch
) -> None:
    def taken(*_: object) -> None:
        raise ExperimentError("an experiment with fm runs already")

    Store(events).add_events([])
    monkeypatch.setattr("autopilot.holdout.stored.start", taken)
    assert run.run().outcome == "rolled out"
