import errno
import os
import shutil
import zipfile
from itertools import pairwise
from pathlib import Path

import pytest

from serving import archives
from serving.archives import ArchiveRefused, StoreError
from tests.serving.packing import BROKEN, repack
from training import archive as training_archive


@pytest.fixture
def folder(store: Path, tmp_path: Path) -> Path:
    """A store of one test's own, with fm 1.0."""
    for name in ("fm-1.0.mar", "fm.mar"):
        shutil.copyfile(store / name, tmp_path / name)
    return tmp_path


def test_a_good_archive_is_accepted_and_its_digest_returned(folder: Path) -> None:
    archive = folder / "fm-1.0.mar"
    assert archives.verify(archive, "fm", "1.0", archives.sha256_of(archive)) == archives.sha256_of(archive)


@pytest.mark.parametrize("broken", BROKEN, ids=lambda one: one.__name__)
def test_a_broken_archive_is_refused_with_its_reason(folder: Path, broken) -> None:
    archive = broken(folder / "fm-1.0.mar", folder / "fm-1.1.mar", "1.1")
    with pytest.raises(ArchiveRefused, match=f"fm-1.1.mar.*{BROKEN[broken]}"):
        archives.verify(archive, "fm", "1.1", None)
    assert not (folder.parent / "escaped.py").exists()


def test_only_what_training_may_pack_is_a_version(folder: Path) -> None:
    assert archives.VERSION == training_archive.VERSION
    for version in ("banana", "1.0rc1", "01.0", "../1.0"):
        with pytest.raises(ArchiveRefused, match="a version is numbers separated by dots, such as"):
            archives.verify(folder / f"fm-{version}.mar", "fm", version, None)


def test_versions_come_in_the_order_of_their_numbers() -> None:
    ordered = ["banana", "1", "1.0", "1.9", "1.10", "1.10.1", "2.0"]
    for earlier, later in pairwise(ordered):
        assert archives.is_older(earlier, later)
        assert not archives.is_older(later, earlier)
    assert not archives.is_older("1.0", "1.0")


def test_another_file_than_the_pinned_one_is_refused(folder: Path) -> None:
    archive = repack(folder / "fm-1.0.mar", folder / "fm-1.1.mar", "1.1")
    archives.pin(folder, archive.name, archives.sha256_of(archive))
    repack(folder / "fm-1.0.mar", archive, "1.1", {"notes.txt": b"packed again"})
    with pytest.raises(ArchiveRefused, match="is pinned"):
        archives.verify(archive, "fm", "1.1", None)
    with pytest.raises(ArchiveRefused, match="0000 is pinned"):
        archives.verify(folder / "fm-1.0.mar", "fm", "1.0", "0" * 64)


def test_another_model_or_version_than_the_name_says_is_refused(folder: Path) -> None:
    archive = repack(folder / "fm-1.0.mar", folder / "fm-1.1.mar", "2.0")
    with pytest.raises(ArchiveRefused, match=r"says that it is fm 2\.0, not fm 1\.1"):
        archives.verify(archive, "fm", "1.1", None)


def test_files_beside_the_list_names_that_come_twice_and_links_are_refused(folder: Path) -> None:
    source = folder / "fm-1.0.mar"
    unlisted = repack(source, folder / "fm-1.1.mar", "1.1", {"extra.py": b""}, listed=False)
    with pytest.raises(ArchiveRefused, match=r"extra.py is in the archive and not in that list"):
        archives.verify(unlisted, "fm", "1.1", None)
    twice = repack(source, folder / "fm-1.2.mar", "1.2")
    with zipfile.ZipFile(twice, "a") as packed, pytest.warns(UserWarning, match="Duplicate name"):
        packed.writestr("users.json", b"[]")
    with pytest.raises(ArchiveRefused, match="twice"):
        archives.verify(twice, "fm", "1.2", None)
    linked = repack(source, folder / "fm-1.3.mar", "1.3")
    with zipfile.ZipFile(linked, "a") as packed:
        link = zipfile.ZipInfo("link.py")
        link.external_attr = 0o120777 << 16
        packed.writestr(link, "/etc/passwd")
    with pytest.raises(ArchiveRefused, match="leads out"):
        archives.verify(linked, "fm", "1.3", None)


def test_a_default_that_is_none_of_the_pinned_archives_is_refused(folder: Path) -> None:
    archives.check_default(folder / "fm.mar")  # nothing is pinned yet
    archives.pin(folder, "fm-1.0.mar", archives.sha256_of(folder / "fm-1.0.mar"))
    archives.check_default(folder / "fm.mar")
    with (folder / "fm.mar").open("ab") as file:
        file.write(b"x")
    with pytest.raises(ArchiveRefused, match=r"fm.mar is none of the pinned archives \(fm-1.0.mar\).*cp "):
        archives.check_default(folder / "fm.mar")


def test_a_replacement_is_whole_or_not_there(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("before")

    def run_out_of_space() -> None:
        with archives.replacing(target) as staged:
            staged.write_text("half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(StoreError, match="No space left"):
        run_out_of_space()
    assert target.read_text() == "before"
    assert list(tmp_path.iterdir()) == [target]


def test_one_rollout_at_a_time(tmp_path: Path) -> None:
    with archives.locked(tmp_path), pytest.raises(StoreError, match="another rollout"), archives.locked(tmp_path):
        pass
    with archives.locked(tmp_path):
        pass
