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
