"""Each stage has its own seconds and its own peak of memory."""

from __future__ import annotations

import time

import numpy as np
import pytest

from benchmarks.stages import measured, stage_of
from tests.conftest import train_small
from training import progress


def test_seconds_and_peaks_are_of_the_stage_alone():
    with measured() as stages:
        with progress.stage("fitting"):
            np.ones(200 << 17)  # float64
            with progress.stage("exporting"):
                time.sleep(0.2)
        time.sleep(0.1)
    found = stages.results()
    assert list(found["seconds"]) == ["fit", "export", "other"]
    assert found["seconds"]["export"] == pytest.approx(0.2, abs=0.1)
    assert found["seconds"]["other"] == pytest.approx(0.1, abs=0.1)
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
