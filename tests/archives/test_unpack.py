"""Arrays stay in the archive, aligned, and its code reads them there; what was packed otherwise is unpacked whole."""

from __future__ import annotations

import json
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from archives import unpack as unpack_module
from archives.alone import check
from archives.contents import MANIFEST, PACKED, named_in
from archives.errors import ArchiveRefused
from archives.ids import USERS, ids_in
from archives.unpack import ALIGNMENT, is_mapped, unpack
from archives.verify import verify_into
from handlers.recommender.model import array_files
from handlers.recommender.model.array_files import ArrayFiles
from tests.archives.packing import repack
from tests.archives.test_packed_before import PACKED as PACKED_BEFORE


def test_the_archives_own_code_knows_the_archive_by_the_same_name() -> None:
    assert array_files.PACKED == PACKED


def test_an_archive_answers_with_its_arrays_left_in_it(store: Path, build: Path, tmp_path: Path) -> None:
    unpack(store / "fm-1.0.mar", tmp_path)
    assert not list(tmp_path.glob("*.npy"))
    assert (tmp_path / PACKED).samefile(store / "fm-1.0.mar")
    check(tmp_path)
    assert list(ids_in(tmp_path, USERS)) == list(ids_in(build / "fm", USERS))
    files = ArrayFiles(tmp_path)
    for path in (build / "fm").glob("*.npy"):
        expected = np.load(path)
        found = files.read(path.stem, str(expected.dtype))
        assert np.array_equal(found, expected, equal_nan=expected.dtype.kind == "f")
        assert found.flags.f_contiguous == expected.flags.f_contiguous
        assert found.ctypes.data % ALIGNMENT == 0 or not found.size


def test_each_array_begins_at_a_multiple(store: Path) -> None:
    with zipfile.ZipFile(store / "fm-1.0.mar") as packed:
        arrays = [entry for entry in packed.infolist() if entry.filename.endswith(".npy")]
        assert all(map(is_mapped, arrays))
    data = (store / "fm-1.0.mar").read_bytes()
    for entry in arrays:
        begins = entry.header_offset + 30 + sum(struct.unpack_from("<HH", data, entry.header_offset + 26))
        assert begins % ALIGNMENT == 0


@pytest.mark.parametrize("size", [10, 3 << 30])
def test_an_entry_is_aligned_with_headers_of_either_size(size: int, tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    with path.open("wb") as file:
        file.truncate(size)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr("other", b"x" * 3)
        entry, zip64 = unpack_module.aligned_entry(packed, path)
        with packed.open(entry, "w", force_zip64=zip64) as target:
            target.write(b"contents")
    data = (tmp_path / "a.zip").read_bytes()
    lengths = struct.unpack_from("<HH", data, entry.header_offset + 26)
    begins = entry.header_offset + 30 + sum(lengths)
    assert (begins % ALIGNMENT, data[begins : begins + 8]) == (0, b"contents")


def test_an_array_past_the_limit_of_zip_stays_in_the_archive(tmp_path: Path, monkeypatch) -> None:
    expected = np.arange(100)
    np.save(tmp_path / "a.npy", expected)
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 100)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        entry, zip64 = unpack_module.aligned_entry(packed, tmp_path / "a.npy")
        assert zip64
        with packed.open(entry, "w", force_zip64=zip64) as target:
            target.write((tmp_path / "a.npy").read_bytes())
    folder = tmp_path / "folder"
    folder.mkdir()
    unpack(tmp_path / "a.zip", folder)
    assert [path.name for path in folder.iterdir()] == [PACKED]
    assert np.array_equal(ArrayFiles(folder).read("a", "int64"), expected)


def test_the_archive_is_copied_where_a_link_cannot_be_made(store: Path, tmp_path: Path, monkeypatch) -> None:
    def other_disk(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(unpack_module.os, "link", other_disk)
    unpack(store / "fm-1.0.mar", tmp_path)
    assert (tmp_path / PACKED).read_bytes() == (store / "fm-1.0.mar").read_bytes()
    assert not (tmp_path / PACKED).samefile(store / "fm-1.0.mar")
    check(tmp_path)


def test_a_symbolic_link_to_an_archive_is_followed_once(store: Path, tmp_path: Path) -> None:
    archive, folder = tmp_path / "fm-1.0.mar", tmp_path / "folder"
    folder.mkdir()
    archive.symlink_to(store / "fm-1.0.mar")
    verify_into(folder, archive, "fm", "1.0", None)
    archive.unlink()
    assert not (folder / PACKED).is_symlink()
    assert (folder / PACKED).samefile(store / "fm-1.0.mar")
    check(folder)


def test_what_was_packed_before_or_by_another_tool_is_unpacked_whole(store: Path, tmp_path: Path) -> None:
    again = repack(store / "fm-1.0.mar", tmp_path / "fm-1.1.mar", "1.1")
    for archive, version in ((PACKED_BEFORE, "0.9"), (again, "1.1")):
        folder = tmp_path / version
        folder.mkdir()
        verify_into(folder, archive, "fm", version, None)
        assert (folder / "item_encodings.npy").is_file()
        assert not (folder / PACKED).exists()


def test_an_archive_that_is_deleted_goes_on_answering(store: Path, tmp_path: Path) -> None:
    archive = tmp_path / "fm-1.0.mar"
    archive.write_bytes((store / "fm-1.0.mar").read_bytes())
    (tmp_path / "folder").mkdir()
    unpack(archive, tmp_path / "folder")
    archive.unlink()
    check(tmp_path / "folder")


@pytest.mark.parametrize(("field", "value"), [(8, 1), (10, 9)], ids=["encrypted", "compressed by Deflate64"])
def test_a_zip_file_that_python_does_not_read_is_refused(field: int, value: int, tmp_path: Path) -> None:
    path, folder = tmp_path / "fm.mar", tmp_path / "unpacked"
    folder.mkdir()
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr(MANIFEST, json.dumps({"model": {"modelName": "fm", "modelVersion": "1.0"}}))
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\1\2") + field] = value  # in the central directory
    path.write_bytes(data)
    assert named_in(path) is None
    with pytest.raises(ArchiveRefused, match=r"fm\.mar is no archive, or was damaged"):
        unpack(path, folder)
