"""Several processes of ``torchrun`` fit the model that one process fits."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.fit_in_processes import FITS, scores
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
    """Each has half of the ratings of either side; what they draw differs in the order of sums alone."""
    program = ["-m", "tests.training.fit_in_processes", str(tmp_path)]
    subprocess.run([*TORCHRUN, *program], check=True, capture_output=True, timeout=120)
    first, second = (np.load(tmp_path / f"{rank}-of-2.npy") for rank in range(2))
    np.testing.assert_array_equal(first, second)
    for fit, several, one in zip(FITS, first, scores(), strict=True):
        np.testing.assert_allclose(several, one, atol=1e-3, err_msg=str(fit))


@pytest.mark.slow
def test_two_processes_run_the_whole_command_once(tmp_path: Path) -> None:
    ratings = tmp_path / "r.csv"
    generate(seed=0, users=60, movies=50, ratings=900).log.ratings.to_csv(ratings, index=False)
    words = ["train", "fm", "--ratings", str(ratings), "--burn-in", "2", "--sweeps", "4", "--device", "cpu"]
    command = [*TORCHRUN, "-m", "tests.training.train_in_processes", *words]
    environment = os.environ | {"PYTHONPATH": str(Path.cwd())}

    def printed() -> str:
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert printed().count("wrote build/fm") == 1
    assert len(list((tmp_path / "data/prepared").iterdir())) == 1
    assert printed().count("build/fm is up to date") == 1
