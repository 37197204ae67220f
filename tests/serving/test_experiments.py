"""What a running experiment keeps a rollout from taking out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from feedback.experiments import Experiment, start, stop
from feedback.store import Store
from serving.experiments import Compared, ExperimentsUnknown, compared
from serving.rollout import Rollout, RolloutRefused


def test_the_versions_of_the_experiment_that_runs(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/events.db"
    store = Store(url)
    start(store, Experiment("fm", "1.0", "1.1", 0.5, "s", "click", 3, 60, 0.1, 0))
    assert (compared("fm", url), compared("mf", url)) == (("1.0", "1.1"), None)
    stop(store, "fm", 1)
    assert compared("fm", url) is None
    store.close()


@pytest.mark.parametrize("url", ["sqlite:///{folder}", "mysql://host/name"])
def test_a_store_that_cannot_be_read_is_said(url: str, tmp_path: Path) -> None:
    url = url.format(folder=tmp_path)
    with pytest.raises(ExperimentsUnknown, match=r"an experiment needs a version of fm is not known.*EVENTS_URL"):
        compared("fm", url)


def unknown(model: str) -> None:
    raise ExperimentsUnknown(f"the experiment of {model} is not known")


def rollout_of_fm(keep: bool, why: str, found: Callable[[str], Compared | None]) -> Rollout:
    class Versions:
        def default(self) -> str:
            return "1.0"

    rollout = object.__new__(Rollout)
    rollout.model, rollout.version, rollout.keep, rollout.why = "fm", "1.2", keep, why
    rollout.versions, rollout.compared = Versions(), found
    return rollout


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (lambda model: Compared("1.0", "1.1"), r"fm 1\.0 \(A\) and 1\.1 \(B\) runs.*STOP=1 ends it; --keep"),
        (unknown, "the experiment of fm is not known; --keep"),
    ],
)
def test_a_rollout_that_might_take_a_version_out_is_refused(found: Callable, message: str) -> None:
    for keep, why in ((True, "rollout"), (False, "rollback")):
        rollout_of_fm(keep, why, found)._check_experiment()
    with pytest.raises(RolloutRefused, match=message):
        rollout_of_fm(False, "rollout", found)._check_experiment()


def test_a_rollback_takes_no_version_out_while_experiments_are_not_known() -> None:
    assert rollout_of_fm(False, "rollback", unknown)._superseded() == []
