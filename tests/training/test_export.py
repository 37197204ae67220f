"""What goes from a fit to its archive, and what never does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import train_small
from training import export as export_module
from training.data import RatingsLog, generate
from training.export import ExportError


@pytest.fixture(scope="module")
def log() -> RatingsLog:
    return generate(seed=4, users=50, movies=40, ratings=1000).log


def test_a_scripted_network_that_differs_is_never_written(log, tmp_path: Path, monkeypatch) -> None:
    train_small("mf", log, tmp_path, sweeps=4, burn_in=2)
    before = (tmp_path / "build/mf/mf.pt").read_bytes()
    real = torch.jit.script

    def wrong(network):
        scripted = real(network)
        scripted.mean += 0.01
        return scripted

    monkeypatch.setattr(export_module.torch.jit, "script", wrong)
    with pytest.raises(ExportError, match="nothing written"):
        train_small("mf", log, tmp_path, sweeps=4, burn_in=2)
    assert (tmp_path / "build/mf/mf.pt").read_bytes() == before
    assert [path.name for path in (tmp_path / "build").iterdir()] == ["mf"]


def test_the_network_is_saved_without_the_embeddings_of_the_ids(log, tmp_path: Path) -> None:
    train_small("mf", log, tmp_path, sweeps=4, burn_in=2)
    state = torch.jit.load(str(tmp_path / "build/mf/mf.pt")).state_dict()
    for name in ("users.embeddings.weight", "items.embeddings.weight"):
        assert state[name].untyped_storage().nbytes() == state[name][:1].numel() * 4


def test_vectors_of_one_number_make_a_map(log, tmp_path: Path) -> None:
    train_small("mf", log, tmp_path, n_factors=1, sweeps=4, burn_in=2)
    assert np.load(tmp_path / "build/mf/map.npy").shape == (len(log.movies) + 1, 2)
