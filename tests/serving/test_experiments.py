"""What a running experiment keeps a rollout from taking out."""

from __future__ import annotations

from pathlib import Path

import pytest

from feedback.experiments import Experiment, start, stop
from feedback.store import Store
from serving.experiments import Compared, compared
from serving.rollout import Rollout, RolloutRefused


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
