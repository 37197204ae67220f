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
    assert rank.item_similarity.t().is_contiguous()


@pytest.mark.parametrize("name", RANK_ARRAYS)
def test_arrays_of_another_ranker_are_refused(name: str, build: Path, tmp_path: Path) -> None:
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


class TestParts:
    """Each part that does not fit is named with the one that it does not fit."""

    @pytest.fixture
    def folder(self, build: Path, tmp_path: Path) -> Path:
        return Path(shutil.copytree(build / "fm", tmp_path / "fm"))

    def refused(self, folder: Path) -> str:
        with pytest.raises(ArchiveError) as caught:
            Model.load(folder, CPU)
        return str(caught.value)

    def test_dictionary_of_another_model(self, folder: Path) -> None:
        users = np.load(folder / "user_ids.npy")
        np.save(folder / "user_ids.npy", np.append(users, 10**9))
        message = self.refused(folder)
        assert f"seen_offsets.npy has {len(users) + 1} rows" in message
        assert f"user_ids.npy has {len(users) + 2}" in message

    @pytest.mark.parametrize("name", ["item_encodings", "movie_features", "rating_counts", "item_directions", "map"])
    def test_array_of_another_model(self, folder: Path, name: str) -> None:
        array = np.load(folder / f"{name}.npy")
        np.save(folder / f"{name}.npy", array[:-1])
        message = self.refused(folder)
        assert f"{name}.npy has {len(array) - 1} rows" in message
        assert "movie_ids.npy" in message

    def test_missing_and_broken_files(self, folder: Path) -> None:
        (folder / "fm.pt").write_bytes(b"not a network")
        assert "cannot be read" in self.refused(folder)
        (folder / "fm.pt").unlink()
        assert "cannot be read" in self.refused(folder)

    def test_network_of_another_release(self, folder: Path, tmp_path: Path) -> None:
        archive = Path(__file__).parents[2] / "archives" / "packed_before" / "fm-0.9.mar"
        shutil.unpack_archive(archive, tmp_path / "before", format="zip")
        shutil.copyfile(tmp_path / "before" / "fm.pt", folder / "fm.pt")
        assert "fm.pt has no users.embeddings.weight: another release made it" in self.refused(folder)

    def test_network_that_holds_the_embeddings_of_all_ids(self, folder: Path) -> None:
        network = torch.jit.load(str(folder / "fm.pt"))
        embeddings = dict(network.named_parameters())["items.embeddings.weight"]
        embeddings.data = embeddings.data.repeat(3, 1)
        torch.jit.save(network, str(folder / "fm.pt"))
        assert "fm.pt has 3 rows of items.embeddings.weight" in self.refused(folder)

    def test_seen_lists_that_go_back(self, folder: Path) -> None:
        offsets = np.load(folder / "seen_offsets.npy")
        offsets[2] = offsets[-1] + 1
        np.save(folder / "seen_offsets.npy", offsets)
        assert "seen_offsets.npy does not lead" in self.refused(folder)

    def test_pickled_array(self, folder: Path) -> None:
        np.save(folder / "map.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
        assert "cannot be read" in self.refused(folder)
