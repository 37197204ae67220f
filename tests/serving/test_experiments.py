"""What a running experiment keeps a rollout from taking out."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from archives.contents import version_in
from feedback.experiments import Experiment, start, stop
from feedback.store import Store
from serving.config import ROOT
from serving.experiments import Compared, ExperimentsUnknown, compared
from serving.rollout import Rollout, RolloutRefused
from serving.server import Server
from serving.versions import Versions
from tests.serving.conftest import options_of


def test_the_versions_of_the_experiment_that_runs(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/events.db"
    store = Store(url)
    start(store, Experiment("fm", "1.0", "1.1", 0.5, "s", "click", 3, 60, 0.1, 0))
    assert (compared("fm", url), compared("mf", url)) == (("1.0", "1.1"), None)
    stop(store, "fm", 1)
    assert compared("fm", url) is None
    store.close()


@pytest.mark.parametrize(
    ("keep", "why", "is_refused"), [(False, "rollout", True), (True, "rollout", False), (False, "rollback", False)]
)
def test_a_rollout_that_would_take_a_version_out_is_refused(keep: bool, why: str, is_refused: bool) -> None:
    class Versions:
        def default(self) -> str:
            return "1.0"

    rollout = object.__new__(Rollout)
    rollout.model, rollout.version, rollout.keep, rollout.why = "fm", "1.2", keep, why
    rollout.versions, rollout.compared = Versions(), lambda model: Compared("1.0", "1.1")
    if not is_refused:
        rollout._check_experiment()
        return
    with pytest.raises(RolloutRefused, match=r"fm 1\.0 \(A\) and 1\.1 \(B\) runs.*STOP=1 ends it; --keep"):
        rollout._check_experiment()


def test_a_store_that_cannot_be_read_is_a_clear_error_without_its_password(tmp_path: Path) -> None:
    (tmp_path / "events.db").write_text("this is no database, whatever its name is")
    with pytest.raises(ExperimentsUnknown, match=r"with fm runs is not known, because sqlite:.*: .*again"):
        compared("fm", f"sqlite:///{tmp_path}/events.db")
    with pytest.raises(ExperimentsUnknown, match=r"anna:\*\*\*@127\.0\.0\.1:1/events cannot be used") as found:
        compared("fm", "postgresql://anna:secret@127.0.0.1:1/events")
    assert "secret" not in str(found.value)
    with pytest.raises(ExperimentsUnknown, match="EVENTS_URL begins with mysql"):
        compared("fm", "mysql://anna@127.0.0.1/events")


def rolled_out(server: Server, url: str, *options: str) -> subprocess.CompletedProcess[str]:
    """``make rollout MODEL=fm VERSION=1.1`` beside the store at a URL."""
    command = [sys.executable, "-m", "serving", "rollout", "fm", "--version", "1.1", *options_of(server), *options]
    environment = os.environ | {"EVENTS_URL": url}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("fm_server", ["asgi"], indirect=True)
def test_no_rollout_while_an_experiment_runs_or_the_store_is_down(fm: Server, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/events.db"
    store = Store(url)
    start(store, Experiment("fm", "1.0", "1.1", 0.5, "s", "click", 3, 60, 0.1, 0))
    store.close()
    for where, reason in (
        (url, r"an experiment with fm 1\.0 \(A\) and 1\.1 \(B\) runs"),
        ("postgresql://127.0.0.1:1/events", r"whether an experiment with fm runs is not known"),
    ):
        said = rolled_out(fm, where)
        assert said.returncode == 1
        assert re.match(f"error: {reason}", said.stderr)
        assert "Traceback" not in said.stderr
        assert Versions(fm, "fm").registered() == ["1.0"]
        assert version_in(fm.store / "fm.mar") == "1.0"


def test_a_rollback_needs_no_store() -> None:
    def unknown(model: str) -> None:
        raise ExperimentsUnknown("the store is down")

    rollout = object.__new__(Rollout)
    rollout.model, rollout.version, rollout.keep, rollout.why = "fm", "1.0", False, "rollback"
    rollout.compared = unknown
    rollout._check_experiment()
    assert rollout._superseded() == []
