"""Programs of torch.export compute what the scripted network computes, and say nothing else."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from pathlib import Path

import pytest
import torch

from handlers.recommender.model.network import METHODS, load_network
from serving.config import ROOT
from tests.conftest import MODELS
from training import programs
from training.errors import UserError
from training.export import ExportError
from training.programs import write_programs

CPU = torch.device("cpu")


@pytest.fixture
def folder(build: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(build / "fm", tmp_path / "fm"))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("rows", [1, 2, 7, 300])
def test_they_compute_the_same_for_any_number_of_rows(model: str, rows: int, build: Path, exported_build: Path) -> None:
    scripted = load_network(build / model / f"{model}.pt", CPU)
    exported = load_network(exported_build / model / f"{model}.pt2", CPU)
    metadata = json.loads((build / model / "metadata.json").read_bytes())
    torch.manual_seed(rows)
    encodings = []
    for side, item in (("user", "user"), ("movie", "item")):
        fields = metadata[f"{side}_features"]["fields"]
        columns = sum(field["columns"] for field in fields)
        values = max(1, sum(len(field["values"]) for field in fields))
        inputs = (
            torch.randn(rows, metadata["width"] + 1),
            torch.randint(values, (rows, columns)),
            torch.rand(rows, columns),
        )
        encodings.append(getattr(scripted, f"encode_{item}s")(*inputs))
        torch.testing.assert_close(getattr(exported, f"encode_{item}s")(*inputs), encodings[-1], rtol=1e-5, atol=1e-5)
        unknown = torch.zeros(rows, dtype=torch.int64)
        own = getattr(scripted, f"{item}_embeddings")(unknown)
        assert torch.equal(getattr(exported, f"{item}_embeddings")(unknown), own)
    expected = scripted.score_pairs(*encodings)
    torch.testing.assert_close(exported.score_pairs(*encodings), expected, rtol=1e-5, atol=1e-5)


def test_a_program_has_the_parameters_that_it_uses_and_no_pickle(exported_build: Path) -> None:
    with zipfile.ZipFile(exported_build / "deepfm/deepfm.pt2") as packed:
        loaded = {name: torch.export.load(io.BytesIO(packed.read(f"{name}.pt2"))) for name in METHODS}
    names = {method: set(program.state_dict) for method, program in loaded.items()}
    assert names["user_embeddings"] == {"users.embeddings.weight"}
    assert names["encode_users"] == {"users.features.weight", "first_users.weight", "mean"}
    assert {name.partition(".")[0] for name in names["score_pairs"]} == {"rest"}
    assert {program.example_inputs for program in loaded.values()} == {None}


def test_the_same_network_gives_the_same_bytes_and_no_path_of_this_machine(folder: Path) -> None:
    first = write_programs(folder).read_bytes()
    assert write_programs(folder).read_bytes() == first
    assert str(ROOT).encode() not in first
    assert {path.name for path in folder.iterdir() if path.name.startswith(".")} == set()


def test_programs_that_differ_are_never_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = programs.export_programs

    def wrong(network, metadata):
        network.mean += 0.01
        return real(network, metadata)

    monkeypatch.setattr(programs, "export_programs", wrong)
    before = sorted(folder.iterdir())
    with pytest.raises(ExportError, match=r"up to 0\.0\d* away from fm\.pt's; nothing written"):
        write_programs(folder)
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize("name", ["metrics.json", "fm.pt"])
def test_a_model_of_another_release_is_trained_again(name: str, folder: Path) -> None:
    (folder / name).write_bytes(b"{}")
    with pytest.raises(UserError, match="fm was not made by this release: train it again"):
        write_programs(folder)
