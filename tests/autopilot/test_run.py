"""Runs on a real server: what a good and a bad version come to, and that a killed run goes on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from archives.contents import version_in
from autopilot.alert import Alert
from autopilot.errors import AutopilotError
from autopilot.holdout import Measure
from autopilot.run import Run, Watching
from autopilot.state import StateFile
from autopilot.traffic import Count, Traffic
from feedback import experiments as stored
from feedback.experiments import Experiment, ExperimentError
from feedback.store import Store
from serving.config import ROOT
from serving.management import Management
from serving.record import Record
from serving.retrain import RetrainError
from serving.server import Server
from tests.autopilot.programs import killed_run
from tests.serving.traffic import Clients

ASKED = {"user_id": 1, "k": 3}


def served(server: Server) -> tuple[str, list[str], str | None]:
    """The default, all versions, and the version that would answer after a restart."""
    management = Management(server.management)
    versions = sorted(one["modelVersion"] for one in management.versions("fm"))
    return management.describe("fm")["modelVersion"], versions, version_in(server.store / "fm.mar")


def told(run: Run, folder: Path) -> list[dict]:
    """Have a run tell into a file; what it has told by now."""
    file = folder / "told"
    run.alert = Alert(notify=f"cat >> {file}; echo >> {file}")
    return [json.loads(line) for line in file.read_text().split("\n") if line] if file.exists() else []


def test_a_good_version_replaces_the_one_before_after_its_watch(run: Run, events: str, tmp_path: Path) -> None:
    Store(events).add_events([])
    told(run, tmp_path)
    run.watching = replace(run.watching, watch=0.1)  # there are requests in it on any machine
    with Clients(run.server.inference, "fm", ASKED, count=2, pause=0.02).asking() as clients:
        state = run.run()
    assert (state.outcome, state.version, state.before, state.step) == ("rolled out", "1.1", "1.0", "done")
    assert served(run.server) == ("1.1", ["1.1"], "1.1")
    assert state.traffic_new.handler.all > 0
    assert state.traffic_new.handler.failed == 0
    assert not clients.failed()
    experiment = stored.latest(Store(events), "fm")
    assert (experiment.a, experiment.b, experiment.share) == ("1.1", "1.0", 0.5)
    assert experiment.stopped
    assert told(run, tmp_path) == [], "nobody is told where all is well"


def test_a_version_that_fails_is_rolled_back_and_somebody_is_told(
    run: Run, events: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed_run.plant(monkeypatch.setattr, "bad")
    told(run, tmp_path)
    run.watching = replace(run.watching, watch=1.0)
    real = run.file.write

    def fails_from_now_on(state):
        if state.step == "watch":
            (run.store / killed_run.FLAG).touch()
        return real(state)

    monkeypatch.setattr(run.file, "write", fails_from_now_on)
    with Clients(run.server.inference, "fm", ASKED, count=2, pause=0.02).asking():
        state = run.run()
    assert state.outcome == "rolled back"
    assert "of the server's answers failed" in state.why
    assert served(run.server) == ("1.0", ["1.0"], "1.0")
    assert [line["why"] for line in Record(run.store).lines("fm")] == ["found", "autopilot", "rollback"]
    (message,) = told(run, tmp_path)
    assert (message["outcome"], message["version"], message["before"]) == ("rolled back", "1.1", "1.0")


def test_a_version_whose_lists_earn_less_is_rolled_back(run: Run, events: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Store(events).add_events([])
    monkeypatch.setattr("autopilot.holdout.Holdout.harm", lambda holdout: f"{holdout.before} earns more")
    state = run.run()
    assert (state.outcome, state.why) == ("rolled back", "1.0 earns more")
    assert served(run.server) == ("1.0", ["1.0"], "1.0")
    assert not stored.running(Store(events))


def test_a_version_that_the_gate_refuses_never_answers(run: Run, tmp_path: Path) -> None:
    told(run, tmp_path)
    run.tolerance = replace(run.tolerance, correlation=1.1)
    state = run.run()
    assert state.outcome == "refused"
    assert "correlation is 1" in state.why
    assert served(run.server) == ("1.0", ["1.0"], "1.0")
    assert [message["outcome"] for message in told(run, tmp_path)] == ["refused"]


def test_a_default_that_a_person_chose_during_the_watch_stays(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    real = run.file.write

    def by_hand(state):
        if state.step == "watch":
            Management(run.server.management).set_default("fm", "1.0")
        return real(state)

    monkeypatch.setattr(run.file, "write", by_hand)
    assert run.run().outcome == "replaced"
    assert served(run.server)[0] == "1.0"


def test_an_experiment_that_somebody_begins_during_the_training_keeps_its_versions(
    run: Run, events: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, real = Store(events), run.steps["roll out"]
    store.add_events([])

    def roll_out(state):
        stored.start(store, Experiment("fm", "1.0", "0.9", 0.1, "salt", "click", 3.0, 3600, 0.1, 1))
        return real(state)

    run.steps["roll out"] = roll_out
    assert run.run().outcome == "rolled out"
    assert served(run.server) == ("1.1", ["1.0", "1.1"], "1.1")
    assert stored.running(store)["fm"].b == "0.9"


def test_a_training_that_fails_is_told_and_done_again(run: Run, tmp_path: Path, monkeypatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RetrainError("the log is empty")

    told(run, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("serving.retrain.Training.make", fails)
        with pytest.raises(RetrainError):
            run.run()
    (message,) = told(run, tmp_path)
    assert (message["outcome"], message["why"]) == ("failed", "at the step train: the log is empty")
    assert run.run().outcome == "rolled out"


def test_a_command_that_does_not_work_keeps_no_later_run_from_beginning(run: Run) -> None:
    run.alert, tolerance = Alert(notify="exit 3"), run.tolerance
    run.tolerance = replace(tolerance, correlation=1.1)
    with pytest.raises(AutopilotError, match=r"--notify failed: .*'exit 3'"):
        run.run()
    run.tolerance = tolerance
    state = run.run()
    assert (state.version, state.outcome) == ("1.2", "rolled out")


def test_the_errors_of_a_watch_that_was_killed_are_not_forgotten(run: Run) -> None:
    run.run()
    state = run.file.read()
    failed = Traffic(Count(50, 100), Count(50, 100))
    run.file.write(msgspec.structs.replace(state, step="watch", outcome="", traffic_new=failed, watch_until=1.0))
    assert run.run().outcome == "rolled back"
    assert served(run.server)[0] == "1.0"


def test_an_experiment_of_somebody_keeps_its_versions(run: Run, events: str, tmp_path: Path) -> None:
    told(run, tmp_path)
    stored.start(Store(events), Experiment("fm", "1.0", "0.9", 0.1, "salt", "click", 3.0, 3600, 0.1, 1))
    with pytest.raises(AutopilotError, match=r"an experiment with fm 1\.0 and 0\.9 runs: end it first"):
        run.run()
    assert run.file.read() is None
    assert [message["outcome"] for message in told(run, tmp_path)] == ["failed"]


def test_a_share_that_cannot_be_is_refused_before_anything_is_trained(run: Run, events: str) -> None:
    Store(events).add_events([])
    run.watching = Watching(holdout=Measure(share=1.5))
    with pytest.raises(ExperimentError, match=r"SHARE is 1\.5"):
        run.run()
    assert run.file.read() is None


@pytest.mark.parametrize(("name", "value"), [("watch", -1), ("every", 0), ("errors", float("nan"))])
def test_a_watch_that_cannot_be_is_a_clear_error(name: str, value: float) -> None:
    with pytest.raises(AutopilotError, match=rf"--{name} is {value:g}: give a finite number from"):
        Watching(**{name: value})


GOOD = ("train", "roll out", "watch", "retire", "tell", "done")
MOMENTS = [("good", step, when) for step in GOOD for when in ("before", "after")]
MOMENTS += [("bad", step, when) for step in ("watch", "roll back", "tell", "done") for when in ("before", "after")]
MOMENTS += [("good", "roll out", "inside"), ("bad", "roll back", "inside")]
FAST = [("good", "watch", "after"), ("bad", "roll back", "inside")]


@pytest.mark.parametrize(
    ("kind", "step", "when"),
    [pytest.param(*moment, marks=() if moment in FAST else pytest.mark.slow) for moment in MOMENTS],
)
def test_a_run_that_was_killed_goes_on(run: Run, events: str, monkeypatch, kind: str, step: str, when: str) -> None:
    Store(events).add_events([])
    killed_run.plant(monkeypatch.setattr, kind)
    with Clients(run.server.inference, "fm", ASKED, count=2, pause=0.02).asking() as clients:
        arguments = [str(run.store), str(run.server.home), step, when, kind]
        killed = subprocess.run([sys.executable, "-m", killed_run.__name__, *arguments], cwd=ROOT)
        assert killed.returncode == -signal.SIGKILL
        if (step, when) == ("done", "after"):  # it was at its end: the next run would be the next night's
            state = StateFile(run.store, "fm").read()
        else:
            if kind == "bad":
                run.watching = replace(run.watching, watch=1.0)
                (run.store / killed_run.FLAG).touch()
            state = run.run()
    outcome, version = ("rolled out", "1.1") if kind == "good" else ("rolled back", "1.0")
    assert state.outcome == outcome
    assert served(run.server) == (version, [version], version)
    assert [line["version"] for line in Record(run.store).lines("fm")] == ["1.0", "1.1", "1.0"][: 2 + (kind == "bad")]
    assert not stored.running(Store(events))
    assert not list(run.store.glob(".*"))
    if kind == "good":
        assert not clients.failed()
