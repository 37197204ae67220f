"""Files that do not fit each other are refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from handlers.recommender.model.errors import ArchiveError
from handlers.recommender.model.files import RANK_ARRAYS
from handlers.recommender.model.model import Model
from tests.conftest import MODELS

CPU = torch.device("cpu")


@pytest.mark.parametrize("model", MODELS)
def test_tables_that_meet_a_vector_whole_lie_by_column(model, services) -> None:
    """As packed, and as mapped: a list then reads memory in order."""
    rank = services[model].model.ranker
    assert rank.items.t().is_contiguous()
    assert rank.alike.t().is_contiguous()


@pytest.mark.parametrize("name", RANK_ARRAYS)
def test_arrays_of_another_head_are_refused(name: str, build: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(build / "fm", tmp_path / "fm"))
    array = np.load(folder / f"{name}.npy")
    np.save(folder / f"{name}.npy", array[:-1])
    with pytest.raises(ArchiveError, match=f"{name}.npy has {len(array) - 1} rows"):
        Model.load(folder, CPU)
    np.save(folder / f"{name}.npy", np.ascontiguousarray(array[:, :-1]))
    with pytest.raises(ArchiveError, match=f"{name}.npy"):
        Model.load(folder, CPU)
    (folder / f"{name}.npy").unlink()
    with pytest.raises(ArchiveError, match=f"{name}.npy"):
        Model.load(folder, CPU)
