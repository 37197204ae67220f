"""What travels to a device and back; on a machine with a GPU, through pinned memory."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from handlers.recommender.fast.staging import Staging

DEVICES = ["cpu", pytest.param("cuda:0", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))]


@pytest.mark.parametrize("device", DEVICES)
def test_what_goes_in_and_comes_out_is_kept_when_the_next_batch_passes(device: str) -> None:
    staging = Staging(torch.device(device))
    kept = []
    for size in (3, 64, 5, 200):
        rows = np.arange(2 * size).reshape(2, size)
        there = staging.to_device(rows)
        assert there.device == torch.device(device)
        assert there.tolist() == rows.tolist()
        kept.append((staging.to_host(there[0].double() + size), rows[0] + size))
    for found, expected in kept:
        np.testing.assert_array_equal(found, expected)
