"""What is refused before TorchServe may see it."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from archives.contents import PACKED, sha256_of
from archives.errors import ArchiveRefused
from archives.store import pin
from archives.verify import verify_into
from handlers.recommender.model.array_files import ArrayFiles
from handlers.recommender.model.errors import ArchiveError
from tests.archives.packing import BROKEN, repack, stored, verify


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
    over = repack(source, folder / "fm-1.4.mar", "1.4", {"packed.mar": b""})
    with pytest.raises(ArchiveRefused, match=r"'packed.mar' twice, or as a name that is taken"):
        verify(over, "fm", "1.4", None)


def test_nothing_is_read_from_a_file_that_is_not_the_pinned_one(folder: Path, tmp_path: Path, monkeypatch) -> None:
    def read(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("archives.verify.zipfile.ZipFile", read)
    unpacked = tmp_path / "unpacked"
    unpacked.mkdir()
    with pytest.raises(ArchiveRefused, match="move it into place with mv"):
        verify_into(unpacked, folder / "fm-1.0.mar", "fm", "1.0", "0" * 64)


def test_a_file_that_is_replaced_meanwhile_is_not_the_one_that_is_served(folder: Path, tmp_path: Path) -> None:
    archive, unpacked = folder / "fm-1.0.mar", tmp_path / "unpacked"
    unpacked.mkdir()
    approved = archive.read_bytes()
    digest = verify_into(unpacked, archive, "fm", "1.0", None)
    repack(archive, folder / "new", "1.0", {"notes.txt": b"another"}).replace(archive)
    assert (unpacked / PACKED).read_bytes() == approved
    assert sha256_of(unpacked / PACKED) == digest


def entry_of(archive: Path, name: str) -> zipfile.ZipInfo:
    with zipfile.ZipFile(archive) as packed:
        return packed.getinfo(name)


def central(data: bytes, name: bytes) -> int:
    """Where the entry of a file begins in an archive's list of entries."""
    return data.rindex(b"PK\1\2", 0, data.rindex(name))


# What is written where: at an offset in an array's own header, or in its entry of the archive's list.
TAMPERED = {
    "another signature": ("own", 0, b"XX"),
    "another name": ("own", 30, b"X"),
    "encrypted": ("list", 8, b"\1"),
    "an unknown compression": ("list", 10, b"\x63"),
    "compressed": ("list", 10, b"\x08"),
    "longer than the archive": ("list", 20, struct.pack("<II", 1 << 29, 1 << 29)),
    "shorter in the archive than out of it": ("list", 20, b"\0\0"),
    "elsewhere": ("list", 42, struct.pack("<I", 1 << 30)),
}


@pytest.mark.parametrize("how", TAMPERED)
def test_an_array_whose_headers_are_tampered_with_is_refused(folder: Path, tmp_path: Path, how: str) -> None:
    archive, unpacked = folder / "fm-1.0.mar", tmp_path / "unpacked"
    unpacked.mkdir()
    where, offset, written = TAMPERED[how]
    data = bytearray(archive.read_bytes())
    name = b"item_encodings.npy"
    place = entry_of(archive, name.decode()).header_offset if where == "own" else central(data, name)
    data[place + offset : place + offset + len(written)] = written
    archive.write_bytes(data)
    with pytest.raises(ArchiveRefused, match=r"fm-1.0.mar (is no whole archive|holds|has)"):
        verify_into(unpacked, archive, "fm", "1.0", None)
    # The archive's own code refuses it too.
    (unpacked / PACKED).unlink(missing_ok=True)
    (unpacked / PACKED).hardlink_to(archive)
    with pytest.raises((ArchiveError, FileNotFoundError)):
        ArrayFiles(unpacked).read("item_encodings", "float32")


def test_an_array_that_is_longer_than_its_entry_is_refused_by_the_archives_code(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / PACKED, "w") as packed:
        whole = stored(np.zeros(100))
        packed.writestr("whole.npy", whole)
        packed.writestr("torn.npy", whole[:-8])
        packed.writestr("newer.npy", whole[:6] + b"\2" + whole[7:])
    files = ArrayFiles(tmp_path)
    assert len(files.read("whole", "float64")) == 100
    with pytest.raises(ArchiveError, match=r"torn.npy in .* is not as long as its shape"):
        files.read("torn", "float64")
    with pytest.raises(ArchiveError, match=r"newer.npy in .* is of npy version"):
        files.read("newer", "float64")


def test_an_archive_that_would_fill_the_disk_is_refused(folder: Path) -> None:
    bomb = repack(folder / "fm-1.0.mar", folder / "fm-1.1.mar", "1.1")
    with zipfile.ZipFile(bomb, "a", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("zeros", bytes(40 * bomb.stat().st_size))
    with pytest.raises(ArchiveRefused, match="it would fill the disk"):
        verify(bomb, "fm", "1.1", None)
