"""Which archives of a store are served, and which of them by default."""

from __future__ import annotations

from pathlib import Path

import pytest

from archives.contents import sha256_of
from archives.errors import ArchiveRefused
from archives.store import pin
from serving.asgi.store import archives_in
from tests.serving.conftest import pack


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """fm 1.0, 1.9 and 1.10, and no default."""
    for version in ("1.0", "1.9", "1.10"):
        pack(tmp_path, version, f"fm-{version}.mar")
    return tmp_path


def found(store: Path) -> dict[str, bool]:
    return {one.version: one.is_default for one in archives_in(store)}


def test_the_newest_is_the_default_where_no_copy_says_which(folder: Path) -> None:
    assert found(folder) == {"1.0": False, "1.9": False, "1.10": True}


def test_of_many_versions_the_newest_are_served_and_the_log_names_the_others(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    pack(folder, "1.9", "fm.mar")
    pack(folder, "2.0", "mf-2.0.mar")  # of another name than its manifest says: takes nobody's place
    assert {one.version for one in archives_in(folder, others=2)} == {"1.0", "1.9", "1.10"}
    assert "not loaded" not in caplog.text
    assert {one.version for one in archives_in(folder, others=1)} == {"1.9", "1.10"}
    assert "fm 1.0: in the store and not loaded, as other_versions is 1; make register MODEL=fm" in caplog.text
    assert {one.version for one in archives_in(folder, others=0)} == {"1.9"}
    assert "fm 1.10, 1.0: in the store and not loaded" in caplog.text


def test_the_copy_says_which_and_stands_in_for_a_version_that_is_not_there(folder: Path) -> None:
    pack(folder, "1.9", "fm.mar")
    assert found(folder) == {"1.0": False, "1.9": True, "1.10": False}
    (folder / "fm-1.9.mar").unlink()
    (of_the_copy,) = [one for one in archives_in(folder) if one.is_default]
    assert (of_the_copy.version, of_the_copy.path.name) == ("1.9", "fm.mar")


def test_where_archives_are_pinned_no_other_is_served(folder: Path) -> None:
    for version in ("1.0", "1.9"):
        pin(folder, f"fm-{version}.mar", sha256_of(folder / f"fm-{version}.mar"))
    assert found(folder) == {"1.0": False, "1.9": True}
    pack(folder, "1.8", "fm-1.9.mar")
    assert found(folder) == {"1.0": True}, "the pinned 1.9 was changed"
    pack(folder, "1.7", "fm.mar")
    with pytest.raises(ArchiveRefused, match="none of the pinned archives"):
        archives_in(folder)


def test_a_changed_archive_takes_nobodys_place_and_what_is_left_out_is_not_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    monkeypatch.setattr("serving.asgi.store.sha256_of", lambda path: [read.append(path.name), sha256_of(path)][1])
    pack(folder, "0.9", "fm-0.9.mar")
    for version in ("0.9", "1.0", "1.9", "1.10"):
        pin(folder, f"fm-{version}.mar", sha256_of(folder / f"fm-{version}.mar"))
    (folder / "fm-1.9.mar").write_bytes(b"half")
    assert {one.version: one.is_default for one in archives_in(folder, others=1)} == {"1.0": False, "1.10": True}
    assert read == ["fm-1.10.mar", "fm-1.9.mar", "fm-1.0.mar"]


def test_a_file_that_has_another_name_than_its_archive_is_left_out(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("fm-backup.mar", "fm-2.0.mar", "mf.mar", "mf-1.9.mar"):
        pack(folder, "1.9", name)
    served = [(one.model, one.version, one.is_default) for one in archives_in(folder)]
    assert served == [("fm", "1.0", False), ("fm", "1.10", True), ("fm", "1.9", False)]
    assert caplog.text.count("is fm 1.9 by its manifest, and is not served") == 4


def test_a_default_of_another_model_is_refused(folder: Path) -> None:
    pack(folder, "1.9", "mf.mar")
    (folder / "mf-1.0.mar").write_bytes(b"no archive: a numbered one has the name mf")
    with pytest.raises(ArchiveRefused, match=r"mf\.mar is of fm by its manifest: copy an archive of mf there"):
        archives_in(folder)


def test_a_store_without_archives_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ArchiveRefused, match="holds no archive that may be served: make archive"):
        archives_in(tmp_path)
    (tmp_path / "fm.mar").write_bytes(b"nothing")
    with pytest.raises(ArchiveRefused, match=r"fm\.mar is no archive"):
        archives_in(tmp_path)
