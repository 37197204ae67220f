"""A packed archive works on its own and never changes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from archives import pack
from archives.contents import NETWORKS, checksums_in
from archives.errors import ArchiveRefused
from archives.pack import archive
from archives.unpack import aligned_entry
from tests.archives.packing import verify
from tests.archives.test_version import NO_VERSIONS
from tests.conftest import MODELS


@pytest.mark.parametrize("model", MODELS)
def test_holds_all_that_an_answer_needs_and_no_pickle(model: str, store: Path) -> None:
    with zipfile.ZipFile(store / f"{model}-1.0.mar") as packed:
        names = set(packed.namelist())
        assert all(entry.compress_type == zipfile.ZIP_STORED for entry in packed.infolist())
    assert {
        f"{model}.pt",
        "user_ids.npy",
        "movie_ids.npy",
        "movie_titles.npy",
        "metrics.json",
        "metadata.json",
    } <= names
    assert {"model-config.yaml", "recommender_handler.py", "recommender/api/service.py", "SHA256SUMS"} <= names
    assert not [name for name in names if name.endswith((".pkl", ".pickle")) or "training" in name]


def test_has_one_network_in_the_format_that_was_asked_for(build: Path, exported_build: Path, tmp_path: Path) -> None:
    shutil.copytree(build / "fm", tmp_path / "both/fm")
    shutil.copy(exported_build / "fm/fm.pt2", tmp_path / "both/fm")
    names = {}
    for format in NETWORKS:
        made = archive("fm", "1.0", tmp_path / "both", tmp_path / format, network_format=format)
        assert verify(made, "fm", "1.0")
        names[format] = set(zipfile.ZipFile(made).namelist())
    assert names["torchscript"] ^ names["export"] == {"fm.pt", "fm.pt2"}
    with pytest.raises(ArchiveRefused, match=r"other contents \(fm\.pt, fm\.pt2\)"):
        archive("fm", "1.0", tmp_path / "both", tmp_path / "export")


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


@pytest.mark.parametrize("version", NO_VERSIONS)
def test_a_version_is_numbers_separated_by_dots(build: Path, tmp_path: Path, version: str) -> None:
    with pytest.raises(ArchiveRefused, match="is refused: a version is numbers separated by dots, such as"):
        archive("mf", version, build, tmp_path)
    assert list(tmp_path.iterdir()) == []


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
    shutil.copytree(pack.HANDLERS, handlers)
    handler = handlers / pack.HANDLER
    handler.write_text(handler.read_text() + "\nimport training\n")
    monkeypatch.setattr(pack, "HANDLERS", handlers)
    with pytest.raises(ArchiveRefused, match="No module named 'training'"):
        archive("mf", "1.0", build, tmp_path / "store")
    assert list((tmp_path / "store").iterdir()) == []


def test_a_file_that_changes_while_it_is_copied_is_found(build: Path, tmp_path: Path, monkeypatch) -> None:
    shutil.copytree(build / "mf", tmp_path / "mf")

    def torn(packed: zipfile.ZipFile, path: Path) -> tuple[zipfile.ZipInfo, bool]:
        entry = aligned_entry(packed, path)
        if path.name == "item_encodings.npy":
            os.truncate(path, path.stat().st_size // 2)
        return entry

    monkeypatch.setattr(pack, "aligned_entry", torn)
    with pytest.raises(ArchiveRefused, match=r"(?s)does not work on its own: .*item_encodings\.npy"):
        archive("mf", "1.0", tmp_path, tmp_path / "store")
    assert list((tmp_path / "store").iterdir()) == []


def test_an_archive_cannot_be_written_into_and_the_default_can(store: Path) -> None:
    assert (store / "mf-1.0.mar").stat().st_mode & 0o222 == 0
    assert (store / "mf.mar").stat().st_mode & 0o200


def test_builds_side_by_side_do_not_meet(build: Path, tmp_path: Path) -> None:
    """torch-model-archiver stages in a fixed folder unless it is told otherwise."""
    code = (
        "import sys; from pathlib import Path; from archives.pack import archive;"
        "archive('mf', sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))"
    )
    root = Path(__file__).parents[2]
    processes = [
        subprocess.Popen([sys.executable, "-c", code, version, str(build), str(tmp_path)], cwd=root)
        for version in ("1.1", "1.2")
    ]
    assert [process.wait() for process in processes] == [0, 0]
    assert {path.name for path in tmp_path.iterdir()} == {"mf-1.1.mar", "mf-1.2.mar", "mf.mar"}
