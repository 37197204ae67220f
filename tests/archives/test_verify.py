"""What is refused before TorchServe may see it."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from archives.contents import sha256_of
from archives.errors import ArchiveRefused
from archives.store import pin
from archives.verify import verify
from tests.archives.packing import BROKEN, repack


def test_a_good_archive_is_accepted_and_its_digest_returned(folder: Path) -> None:
    archive = folder / "fm-1.0.mar"
    assert verify(archive, "fm", "1.0", sha256_of(archive)) == sha256_of(archive)


@pytest.mark.parametrize("broken", BROKEN, ids=lambda one: one.__name__)
def test_a_broken_archive_is_refused_with_its_reason(folder: Path, broken) -> None:
    archive = broken(folder / "fm-1.0.mar", folder / "fm-1.1.mar", "1.1")
    with pytest.raises(ArchiveRefused, match=f"fm-1.1.mar.*{BROKEN[broken]}"):
        verify(archive, "fm", "1.1", None)


def test_a_name_without_a_version_is_refused(folder: Path) -> None:
    for version in ("banana", "1.0rc1", "01.0", "../1.0"):
        with pytest.raises(ArchiveRefused, match="a version is numbers separated by dots, such as"):
            verify(folder / f"fm-{version}.mar", "fm", version, None)


def test_another_file_than_the_pinned_one_is_refused(folder: Path) -> None:
    archive = repack(folder / "fm-1.0.mar", folder / "fm-1.1.mar", "1.1")
    pin(folder, archive.name, sha256_of(archive))
    repack(folder / "fm-1.0.mar", archive, "1.1", {"notes.txt": b"packed again"})
    with pytest.raises(ArchiveRefused, match="is pinned"):
        verify(archive, "fm", "1.1", None)
    with pytest.raises(ArchiveRefused, match="0000 is pinned"):
        verify(folder / "fm-1.0.mar", "fm", "1.0", "0" * 64)


def test_another_model_or_version_than_the_name_says_is_refused(folder: Path) -> None:
    archive = repack(folder / "fm-1.0.mar", folder / "fm-1.1.mar", "2.0")
    with pytest.raises(ArchiveRefused, match=r"says that it is fm 2\.0, not fm 1\.1"):
        verify(archive, "fm", "1.1", None)


def test_files_beside_the_list_names_that_come_twice_and_links_are_refused(folder: Path) -> None:
    source = folder / "fm-1.0.mar"
    unlisted = repack(source, folder / "fm-1.1.mar", "1.1", {"extra.py": b""}, listed=False)
    with pytest.raises(ArchiveRefused, match=r"extra.py is in the archive and not in that list"):
        verify(unlisted, "fm", "1.1", None)
    twice = repack(source, folder / "fm-1.2.mar", "1.2")
    with zipfile.ZipFile(twice, "a") as packed, pytest.warns(UserWarning, match="Duplicate name"):
        packed.writestr("user_ids.npy", b"[]")
    with pytest.raises(ArchiveRefused, match="twice"):
        verify(twice, "fm", "1.2", None)
    linked = repack(source, folder / "fm-1.3.mar", "1.3")
    with zipfile.ZipFile(linked, "a") as packed:
        link = zipfile.ZipInfo("link.py")
        link.external_attr = 0o120777 << 16
        packed.writestr(link, "/etc/passwd")
    with pytest.raises(ArchiveRefused, match="leads out"):
        verify(linked, "fm", "1.3", None)
