"""Arrays of an unpacked archive, memory-mapped: from files of their own, or from the archive where it was left in one.

TorchServe unpacks all that an archive holds. A rollout leaves the arrays in it and puts the archive itself into the
folder, under the name ``PACKED``: so they are on the disk, and in memory, once.
"""

import math
import os
import struct
import zipfile
from functools import cached_property
from pathlib import Path

import numpy as np

from .errors import ArchiveError

PACKED = "packed.mar"
_LENGTHS = struct.Struct("<26xHH")  # at the end of an entry's own header: of its name, and of its extra fields


class ArrayFiles:
    """The arrays of the archive that is unpacked in ``folder``, by name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, name: str, *dtypes: str) -> np.ndarray:
        """An array whose pages workers share. Raises ArchiveError for one of another dtype, OSError for none."""
        path = self.folder / f"{name}.npy"
        # Copy-on-write: the pages stay shared as long as nobody writes, and torch asks for a writable buffer.
        if not path.exists() and path.name in self._packed:
            array = _mapped(self.folder / PACKED, self._packed[path.name])
        else:
            array = np.load(path, mmap_mode="c", allow_pickle=False)
        if array.dtype not in dtypes:
            raise ArchiveError(f"{path.name} holds {array.dtype}, expected {' or '.join(dtypes)}")
        return array.view(np.ndarray)  # a memmap is slower to index

    @cached_property
    def _packed(self) -> dict[str, zipfile.ZipInfo]:
        """The arrays in the archive; nothing where the folder has none. Raises ArchiveError for a damaged one."""
        path = self.folder / PACKED
        if not path.is_file():
            return {}
        try:
            with zipfile.ZipFile(path) as packed:
                stored = [entry for entry in packed.infolist() if entry.compress_type == zipfile.ZIP_STORED]
                arrays = {entry.filename: entry for entry in stored if entry.filename.endswith(".npy")}
                for entry in arrays.values():
                    packed.open(entry).close()  # compares the header before its contents with the list of entries
        except (zipfile.BadZipFile, struct.error, EOFError, ValueError, RuntimeError) as error:  # Runtime-: encrypted
            raise ArchiveError(f"{path} is no whole archive ({error}): copy it again") from error
        return arrays


def _mapped(archive: Path, entry: zipfile.ZipInfo) -> np.ndarray:
    with archive.open("rb") as file:
        file.seek(entry.header_offset)
        name, extra = _LENGTHS.unpack(file.read(_LENGTHS.size))
        end = file.seek(name + extra, 1) + entry.file_size
        version = np.lib.format.read_magic(file)
        if version != (1, 0):
            raise ArchiveError(f"{entry.filename} in {archive} is of npy version {version}, expected (1, 0)")
        shape, by_column, dtype = np.lib.format.read_array_header_1_0(file)
        offset, size = file.tell(), os.fstat(file.fileno()).st_size
    if dtype.hasobject:
        raise ArchiveError(f"{entry.filename} in {archive} holds pickled objects, which are not read")
    if offset + math.prod(shape) * dtype.itemsize != end or end > size or entry.compress_size != entry.file_size:
        raise ArchiveError(f"{entry.filename} in {archive} is not as long as its shape {shape} says: copy it again")
    if 0 in shape:
        return np.empty(shape, dtype)
    return np.memmap(archive, dtype, "c", offset, shape, "F" if by_column else "C")
