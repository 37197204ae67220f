"""Arrays of an unpacked archive, memory-mapped: from files of their own, or from the archive where it was left in one.

TorchServe unpacks all that an archive holds. A rollout leaves the arrays in it and puts the archive itself into the
folder, under the name ``PACKED``: so they are on the disk, and in memory, once.
"""

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
    def _packed(self) -> dict[str, int]:
        """Where the header of each entry begins in the archive; nothing where there is none in the folder."""
        if not (self.folder / PACKED).is_file():
            return {}
        with zipfile.ZipFile(self.folder / PACKED) as packed:
            stored = (entry for entry in packed.infolist() if entry.compress_type == zipfile.ZIP_STORED)
            return {entry.filename: entry.header_offset for entry in stored}


def _mapped(archive: Path, header_offset: int) -> np.ndarray:
    with archive.open("rb") as file:
        file.seek(header_offset)
        name, extra = _LENGTHS.unpack(file.read(_LENGTHS.size))
        file.seek(name + extra, 1)
        np.lib.format.read_magic(file)
        shape, by_column, dtype = np.lib.format.read_array_header_1_0(file)
        offset = file.tell()
    if dtype.hasobject:
        raise ArchiveError(f"an array of {archive} holds pickled objects, which are not read")
    if 0 in shape:
        return np.empty(shape, dtype)
    return np.memmap(archive, dtype, "c", offset, shape, "F" if by_column else "C")
