"""Several processes of ``torchrun`` fit the model that one process fits."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.fit_in_processes import FITS, scores
from training import distributed


def test_one_process_keeps_what_it_has() -> None:
    with distributed.processes(torch.device("cpu")):
        rows = torch.arange(6).view(3, 2)
        assert (distributed.rank(), distributed.size(), distributed.is_first()) == (0, 1, True)
        assert torch.equal(distributed.gathered(rows, [3]), rows)
        assert torch.equal(distributed.total(rows.clone()), rows)


@pytest.mark.slow
def test_two_processes_fit_the_same(tmp_path: Path) -> None:
    """Each has half of the ratings of either side; what they draw differs in the order of sums alone."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    program = ["-m", "tests.training.fit_in_processes", str(tmp_path)]
    subprocess.run([*torchrun, *program], check=True, capture_output=True, timeout=120)
    first, second = (np.load(tmp_path / f"{rank}-of-2.npy") for rank in range(2))
    np.testing.assert_array_equal(first, second)
    for fit, several, one in zip(FITS, first, scores(), strict=True):
        np.testing.assert_allclose(several, one, atol=1e-3, err_msg=str(fit))
