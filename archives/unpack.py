"""An archive's files in a folder. Its arrays, which are most of it, stay in the archive: its code maps them there."""

from __future__ import annotations

import hashlib
import os
import struct
import zipfile
from mmap import ACCESS_READ, mmap
from pathlib import Path

from .contents import PACKED

ALIGNMENT = 64  # bytes: arrays that begin at a multiple are read as fast as if each had a file of its own
LOCAL_HEADER, ZIP64_FIELD, FIELD_HEADER = 30, 20, 4  # bytes before an entry's contents, its name not counted
PADDING = 0xD935  # the tag of an extra field that aligns an entry, as Android's archives have it


def aligned_entry(packed: zipfile.ZipFile, path: Path) -> tuple[zipfile.ZipInfo, bool]:
    """The entry to write ``path`` as at the end of an archive, and whether it needs zip64 headers."""
    entry = zipfile.ZipInfo.from_file(path, path.name)
    zip64 = 1.05 * entry.file_size > zipfile.ZIP64_LIMIT
    header = LOCAL_HEADER + len(entry.filename.encode()) + (ZIP64_FIELD if zip64 else 0)
    padding = -(packed.start_dir + header + FIELD_HEADER) % ALIGNMENT
    entry.extra = struct.pack("<HH", PADDING, padding) + bytes(padding)
    return entry, zip64


def is_mapped(entry: zipfile.ZipInfo) -> bool:
    """Whether the code in the archive reads an entry where it lies. No entry of earlier releases is aligned."""
    return entry.compress_type == zipfile.ZIP_STORED and entry.extra[:2] == struct.pack("<H", PADDING)


def sha256_in_place(archive: Path, entry: zipfile.ZipInfo) -> str:
    """The SHA-256 of the contents of an entry that ``is_mapped``, without a copy of them."""
    with archive.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
        lengths = struct.unpack_from("<HH", data, entry.header_offset + LOCAL_HEADER - 4)  # of the name, of the extra
        begins = entry.header_offset + LOCAL_HEADER + sum(lengths)
        with memoryview(data) as view, view[begins : begins + entry.file_size] as contents:
            return hashlib.sha256(contents).hexdigest()


def link_arrays(packed: zipfile.ZipFile, archive: Path, folder: Path) -> None:
    """Let the code in ``folder`` find the arrays that are not unpacked there: by a second name of the archive's file.

    It stays when the first name is deleted or replaced. They are unpacked where the folder is on another disk.
    """
    mapped = [entry for entry in packed.infolist() if is_mapped(entry)]
    if not mapped:
        return
    try:
        os.link(archive, folder / PACKED)
    except OSError:
        packed.extractall(folder, mapped)


def unpack(archive: Path, folder: Path) -> None:
    """Unpack an archive that is known to be good."""
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(folder, [entry for entry in packed.infolist() if not is_mapped(entry)])
        link_arrays(packed, archive, folder)
