"""Each stage has its own seconds and its own peak of memory."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import stages as module
from benchmarks.stages import measured, stage_of
from tests.conftest import train_small
from training import progress


def test_seconds_and_peaks_are_of_the_stage_alone(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    with measured() as stages:
        with progress.stage("fitting"):
            np.ones(200 << 17)  # float64
            with progress.stage("exporting"):
                now[0] += 2
            now[0] += 4
        now[0] += 8
    found = stages.results()
    assert list(found["seconds"].items()) == [("fit", 4), ("export", 2), ("other", 8)]
    assert 190 < found["peak_mb"]["fit"] < 260
    assert found["peak_mb"]["export"] < 60
    assert not progress.watchers


@pytest.mark.parametrize(
    ("running", "stage"),
    [
        ([], "other"),
        (["reading the log", "reading r.csv"], "read"),
        (["validating", "fitting", "Gibbs sampling"], "fit"),
        (["validating", "choosing the list ranker", "ridges"], "rank"),
        (["refitting"], "other"),
    ],
)
def test_the_innermost_known_stage_counts(running, stage):
    assert stage_of(running) == stage


def test_every_stage_of_a_training_is_found(planted, tmp_path):
    with measured() as stages:
        train_small("mf", planted.log, tmp_path, sweeps=5, burn_in=1)
    assert {"encode", "split", "fit", "rank", "evaluate", "export"} <= set(stages.results()["seconds"])
