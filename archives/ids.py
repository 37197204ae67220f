"""The ids that an archive knows, of this release and of earlier ones, without loading the model."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .contents import PACKED

USERS, MOVIES = "user", "movie"
JSON_LISTS = {USERS: "users.json", MOVIES: "movies.json"}  # of archives packed before 1.0; row 0 is null


@dataclass(frozen=True, eq=False)
class IntegerIds(Sequence[int]):
    """Integers: ``values`` int64 [ids]."""

    values: np.ndarray

    def __len__(self) -> int:
        """How many."""
        return len(self.values)

    def __getitem__(self, place: int) -> int:  # type: ignore[override]
        """The id at a place; slices are not needed."""
        return self.values.item(place)


@dataclass(frozen=True, eq=False)
class StringIds(Sequence[str]):
    """Strings as their UTF-8 bytes end to end: ``data`` uint8 [bytes], ``offsets`` int64 [ids + 1]."""

    data: np.ndarray
    offsets: np.ndarray

    def __len__(self) -> int:
        """How many."""
        return len(self.offsets) - 1

    def __getitem__(self, place: int) -> str:  # type: ignore[override]
        """The id at a place; slices are not needed."""
        place = range(len(self))[place]
        return self.data[self.offsets[place] : self.offsets[place + 1]].tobytes().decode()


def ids_in(archive: Path, side: str) -> IntegerIds | StringIds:
    """The ids of a side (``USERS`` or ``MOVIES``) in an archive or in the folder that it is unpacked in, by row - 1.

    Raises ValueError, OSError, KeyError or BadZipFile where it holds none.
    """
    if archive.is_dir() and (archive / PACKED).is_file():
        archive /= PACKED
    if archive.is_dir():
        return _read(archive, side)
    with zipfile.ZipFile(archive) as packed:
        return _read(zipfile.Path(packed), side)


def _read(root: Path | zipfile.Path, side: str) -> IntegerIds | StringIds:
    before = root / JSON_LISTS[side]
    if before.is_file():
        known = json.loads(before.read_bytes())[1:]
        if all(isinstance(raw, int) for raw in known):
            return IntegerIds(np.array(known, np.int64))
        encoded = [raw.encode() for raw in known]
        offsets = np.concatenate([[0], np.cumsum([len(raw) for raw in encoded])])
        return StringIds(np.frombuffer(b"".join(encoded), np.uint8), offsets)
    values = _array(root, f"{side}_ids.npy")
    return IntegerIds(values) if values.dtype == np.int64 else StringIds(values, _array(root, f"{side}_id_offsets.npy"))


def _array(root: Path | zipfile.Path, name: str) -> np.ndarray:
    with (root / name).open("rb") as file:
        return np.lib.format.read_array(file, allow_pickle=False)
