"""Several processes of ``torchrun`` fit the model that one process fits."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.fit_in_processes import COUNT, FITS, scores
from training import distributed
from training.data import generate

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def test_one_process_keeps_what_it_has() -> None:
    with distributed.processes(torch.device("cpu")):
        rows = torch.arange(6).view(3, 2)
        assert (distributed.rank(), distributed.size(), distributed.is_first()) == (0, 1, True)
        assert torch.equal(distributed.gathered(rows, [3]), rows)
        assert torch.equal(distributed.total(rows.clone()), rows)
        assert (distributed.agreed("a"), distributed.everyones("a")) == ("a", ["a"])


@pytest.mark.slow
def test_two_processes_fit_the_same(tmp_path: Path) -> None:
    """The second gets the ratings of half of the users and movies; draws differ in the order of sums alone."""
    program = ["-m", "tests.training.fit_in_processes", str(tmp_path)]
    subprocess.run([*TORCHRUN, *program], check=True, capture_output=True, timeout=120)
    for fit, several, one in zip(FITS, np.load(tmp_path / "scores.npy"), scores(), strict=True):
        np.testing.assert_allclose(several, one, atol=1e-3, err_msg=str(fit))
    np.testing.assert_allclose(np.load(tmp_path / "counts.npy") / COUNT, [0.75] * len(FITS), atol=0.05)


@pytest.mark.slow
def test_the_first_of_two_processes_alone_reads_and_writes(tmp_path: Path) -> None:
    """The second one is in a folder without the ratings, and leaves nothing there."""
    ratings = tmp_path / "r.csv"
    generate(seed=0, users=60, movies=50, ratings=900).log.ratings.to_csv(ratings, index=False)
    words = ["train", "deepfm", "--ratings", ratings.name, "--burn-in", "2", "--sweeps", "4", "--device", "cpu"]
    command = [*TORCHRUN, "-m", "tests.training.train_in_processes", *words]
    environment = os.environ | {"PYTHONPATH": str(Path.cwd())}

    def printed() -> str:
        shutil.rmtree(tmp_path / "elsewhere", ignore_errors=True)
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert printed().count("wrote build/deepfm") == 1
    assert {path.name for path in tmp_path.iterdir()} == {"build", "data", "elsewhere", "r.csv", "runs"}
    assert not list((tmp_path / "elsewhere").iterdir())
    assert printed().count("build/deepfm is up to date") == 1
