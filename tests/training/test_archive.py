"""An archive stands alone, never changes, and is refused where its parts do not fit."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from handlers.recommender.model.errors import ArchiveError
from handlers.recommender.model.model import Model
from tests.conftest import MODELS
from training import archive as archive_module
from training.archive import ArchiveRefused, archive, checksums_in


@pytest.mark.parametrize("model", MODELS)
def test_holds_all_that_an_answer_needs_and_no_pickle(model: str, store: Path) -> None:
    with zipfile.ZipFile(store / f"{model}-1.0.mar") as packed:
        names = set(packed.namelist())
        assert all(entry.compress_type == zipfile.ZIP_STORED for entry in packed.infolist())
    assert {f"{model}.pt", "users.json", "movies.json", "titles.json", "metrics.json", "metadata.json"} <= names
    assert {"model-config.yaml", "recommender_handler.py", "recommender/api/service.py", "SHA256SUMS"} <= names
    assert not [name for name in names if name.endswith((".pkl", ".pickle")) or "training" in name]


def test_its_checksums_are_those_of_its_contents(store: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(store / "fm-1.0.mar") as packed:
        packed.extractall(tmp_path)
    listed = checksums_in(store / "fm-1.0.mar").splitlines()
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert {line.split("  ")[1] for line in listed} == files - {"SHA256SUMS", "MAR-INF/MANIFEST.json"}
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=tmp_path, check=True)


def test_the_same_contents_again_change_nothing(build: Path, store: Path) -> None:
    before = (store / "mf-1.0.mar").stat()
    archive("mf", "1.0", build, store)
    assert (store / "mf-1.0.mar").stat() == before


def test_other_contents_under_the_same_version_are_refused(build: Path, store: Path, tmp_path: Path) -> None:
    before = (store / "mf-1.0.mar").read_bytes()
    shutil.copytree(build / "mf", tmp_path / "mf")
    (tmp_path / "mf/metrics.json").write_text("{}")
    with pytest.raises(ArchiveRefused, match=r"other contents \(metrics\.json\).*another VERSION"):
        archive("mf", "1.0", tmp_path, store)
    assert (store / "mf-1.0.mar").read_bytes() == before


@pytest.mark.parametrize("version", ["banana", "", "1.", "v1.0", "1.0rc1", "1.0-2", "01.0", "1.0 ", "../1.0"])
def test_a_version_is_numbers_separated_by_dots(build: Path, tmp_path: Path, version: str) -> None:
    with pytest.raises(ArchiveRefused, match="is refused: a version is numbers separated by dots, such as"):
        archive("mf", version, build, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_make_trains_again_after_a_change_of_the_code_and_finds_the_same_archive(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    for name in ("training", "handlers"):
        shutil.copytree(root / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Makefile", "requirements.txt"):
        shutil.copyfile(root / name, tmp_path / name)
    command = ["make", "train", "archive", "MODEL=mf", "DATA=synthetic", "ARGS=--sweeps 5", f"VENV={sys.prefix}"]
    command += ["-o", f"{sys.prefix}/installed"]  # this environment is what it is

    def make() -> str:
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    make()
    before = (tmp_path / "model_store/mf-1.0.mar").stat()
    assert "build/mf is up to date" in make()
    with (tmp_path / "training/models/mf.py").open("a") as code:
        code.write("# changed\n")
    assert "build/mf was made with a different code" in make()
    assert (tmp_path / "model_store/mf-1.0.mar").stat() == before


def test_a_profile_changes_its_own_settings_alone(build: Path, store: Path, tmp_path: Path) -> None:
    made = archive("mf", "1.0", build, tmp_path, "latency")
    throughput, latency = (yaml.safe_load(read(path)) for path in (store / "mf-1.0.mar", made))
    assert latency == throughput | {"batchSize": 1}
    assert throughput["batchSize"] > 1
    differing = set(checksums_in(made).splitlines()) ^ set(checksums_in(store / "mf-1.0.mar").splitlines())
    assert {line.split("  ")[1] for line in differing} == {"model-config.yaml"}


def read(archive_path: Path) -> bytes:
    with zipfile.ZipFile(archive_path) as packed:
        return packed.read("model-config.yaml")


def test_a_model_that_was_not_trained(tmp_path: Path) -> None:
    with pytest.raises(ArchiveRefused, match="make train MODEL=fm"):
        archive("fm", "1.0", tmp_path, tmp_path / "store")


def test_one_that_needs_training_to_run_never_reaches_the_store(build: Path, tmp_path: Path, monkeypatch) -> None:
    handlers = tmp_path / "handlers"
    shutil.copytree(archive_module.HANDLERS, handlers)
    handler = handlers / archive_module.HANDLER
    handler.write_text(handler.read_text() + "\nimport training\n")
    monkeypatch.setattr(archive_module, "HANDLERS", handlers)
    with pytest.raises(ArchiveRefused, match="No module named 'training'"):
        archive("mf", "1.0", build, tmp_path / "store")
    assert list((tmp_path / "store").iterdir()) == []


class TestParts:
    """Each part that does not fit is named with the one that it does not fit."""

    @pytest.fixture
    def folder(self, build: Path, tmp_path: Path) -> Path:
        return Path(shutil.copytree(build / "fm", tmp_path / "fm"))

    def refused(self, folder: Path) -> str:
        with pytest.raises(ArchiveError) as caught:
            Model.load(folder, torch.device("cpu"))
        return str(caught.value)

    def test_dictionary_of_another_model(self, folder: Path) -> None:
        users = json.loads((folder / "users.json").read_text())
        (folder / "users.json").write_text(json.dumps([*users, 10**9]))
        message = self.refused(folder)
        assert f"fm.pt (user table) has {len(users)} rows" in message
        assert f"users.json has {len(users) + 1}" in message

    @pytest.mark.parametrize("name", ["item_encodings", "movie_features", "rating_counts", "item_directions", "map"])
    def test_array_of_another_model(self, folder: Path, name: str) -> None:
        array = np.load(folder / f"{name}.npy")
        np.save(folder / f"{name}.npy", array[:-1])
        message = self.refused(folder)
        assert f"{name}.npy has {len(array) - 1} rows" in message
        assert "movies.json" in message

    def test_missing_and_broken_files(self, folder: Path) -> None:
        (folder / "fm.pt").write_bytes(b"not a network")
        assert "cannot be read" in self.refused(folder)
        (folder / "fm.pt").unlink()
        assert "cannot be read" in self.refused(folder)

    def test_pickled_array(self, folder: Path) -> None:
        np.save(folder / "map.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
        assert "cannot be read" in self.refused(folder)


def test_builds_side_by_side_do_not_meet(build: Path, tmp_path: Path) -> None:
    """torch-model-archiver stages in a fixed folder unless it is told otherwise."""
    code = (
        "import sys; from pathlib import Path; from training.archive import archive;"
        "archive('mf', sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))"
    )
    root = Path(__file__).parents[2]
    processes = [
        subprocess.Popen([sys.executable, "-c", code, version, str(build), str(tmp_path)], cwd=root)
        for version in ("1.1", "1.2")
    ]
    assert [process.wait() for process in processes] == [0, 0]
    assert {path.name for path in tmp_path.iterdir()} == {"mf-1.1.mar", "mf-1.2.mar", "mf.mar"}
