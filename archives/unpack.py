"""An archive's files in a folder. Its arrays, which are most of it, stay in the archive: its code maps them there."""

from __future__ import annotations

import os
import shutil
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

from .contents import DAMAGED, PACKED
from .errors import ArchiveRefused

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
    return entry.filename.endswith(".npy") and PADDING in _tags(entry.extra)


def _tags(extra: bytes) -> Iterator[int]:
    """The tags of an entry's extra fields: that of zip64 stands before the others."""
    while len(extra) >= FIELD_HEADER:
        tag, size = struct.unpack_from("<HH", extra)
        yield tag
        extra = extra[FIELD_HEADER + size :]


def hold(archive: Path, folder: Path) -> Path:
    """An archive by a second name, in ``folder``: the same file when the first name is deleted or replaced.

    A copy where the folder is on another disk. Raises OSError.
    """
    held = folder / PACKED
    source = archive.resolve()  # a link to a symbolic link would be one too
    try:
        os.link(source, held)
    except OSError:
        shutil.copyfile(source, held)
    return held


def release(held: Path, packed: zipfile.ZipFile) -> None:
    """Remove what ``hold`` made where nothing is read from it any more."""
    if not any(map(is_mapped, packed.infolist())):
        held.unlink()


def unpack(archive: Path, folder: Path) -> None:
    """Unpack an archive. Raises ArchiveRefused where it is seen to be damaged: its arrays are not read."""
    held = hold(archive, folder)
    try:
        with zipfile.ZipFile(held) as packed:
            packed.extractall(folder, [entry for entry in packed.infolist() if not is_mapped(entry)])
            release(held, packed)
    except DAMAGED as error:
        raise ArchiveRefused(f"{archive} is no archive, or was damaged ({error}): copy or pack it again") from error
