"""An archive is verified before TorchServe may see it."""

from __future__ import annotations

import hashlib
import json
import stat
import sys
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from . import alone
from .contents import CHECKSUMS, MANIFEST, parsed_checksums, sha256_of
from .errors import ArchiveRefused, CannotAnswer
from .store import pins
from .unpack import is_mapped, link_arrays, sha256_in_place
from .version import check_version

PIECE = 1 << 20  # bytes that are read at once


def verify(archive: Path, model: str, version: str, sha256: str | None, python: str = sys.executable) -> str:
    """Check an archive from outside to inside, and return its SHA-256.

    ``sha256``: the digest that it must have. None stands for the digest that is pinned in the store; where none is
    pinned, any will do. ``python``: the interpreter that loads it. Raises ArchiveRefused with the first fault.
    """
    with tempfile.TemporaryDirectory(prefix="archive-") as folder:
        return verify_into(Path(folder), archive, model, version, sha256, python)


def verify_into(
    folder: Path, archive: Path, model: str, version: str, sha256: str | None, python: str = sys.executable
) -> str:
    """``verify``, by what it leaves unpacked in ``folder``."""
    check_version(version)
    if not archive.is_file():
        raise ArchiveRefused(f"{archive} does not exist: make archive MODEL={model} VERSION={version} packs it")
    with ThreadPoolExecutor(1) as pool:
        parts = pool.submit(_unpack, archive, folder, model, version)
        digest = sha256_of(archive)
        _check_pinned(archive, digest, sha256)
        parts.result()
        _check_answers(archive, folder, python)
    return digest


def _check_pinned(archive: Path, digest: str, sha256: str | None) -> None:
    expected = sha256 or pins(archive.parent).get(archive.name)
    if expected and digest != expected.lower():
        raise ArchiveRefused(
            f"{archive.name} has SHA-256 {digest}, and {expected} is pinned: it is not the file that was approved. "
            f"Fetch that one again; if it was packed anew on purpose, remove its line from {archive.parent / CHECKSUMS}"
        )


def _unpack(archive: Path, folder: Path, model: str, version: str) -> None:
    """Unpack an archive into ``folder``, each part checked as it is read. Raises ArchiveRefused."""
    try:
        with zipfile.ZipFile(archive) as packed:
            _check_names(archive, packed)
            _check_manifest(archive, packed, model, version)
            _check_contents(archive, packed, folder)
    except (zipfile.BadZipFile, EOFError, KeyError) as error:
        raise ArchiveRefused(f"{archive.name} is no whole archive ({error}): copy or pack it again") from error


def _check_names(archive: Path, packed: zipfile.ZipFile) -> None:
    seen = set()
    for entry in packed.infolist():
        name = PurePosixPath(entry.filename)
        escapes = name.is_absolute() or ".." in name.parts or "\\" in entry.filename
        if escapes or stat.S_ISLNK(entry.external_attr >> 16):
            raise ArchiveRefused(f"{archive.name} holds {entry.filename!r}, which leads out of its folder")
        if entry.filename in seen:
            raise ArchiveRefused(f"{archive.name} holds {entry.filename!r} twice: which one counts is not defined")
        seen.add(entry.filename)


def _check_contents(archive: Path, packed: zipfile.ZipFile, folder: Path) -> None:
    listed = parsed_checksums(packed.read(CHECKSUMS).decode())
    found = {entry.filename for entry in packed.infolist() if not entry.is_dir()} - {CHECKSUMS, MANIFEST}
    for name in sorted(listed.keys() ^ found):
        where = "is not in the archive" if name in listed else "is in the archive and not in that list"
        raise ArchiveRefused(f"{archive.name} does not hold what its {CHECKSUMS} lists: {name} {where}")
    for name in (CHECKSUMS, MANIFEST):
        packed.extract(name, folder)
    for name, expected in listed.items():
        entry = packed.getinfo(name)
        digest = sha256_in_place(archive, entry) if is_mapped(entry) else _unpacked(packed, name, folder / name)
        if digest != expected:
            raise ArchiveRefused(f"{archive.name} was changed: {name} has SHA-256 {digest}, its list says {expected}")
    link_arrays(packed, archive, folder)


def _unpacked(packed: zipfile.ZipFile, name: str, path: Path) -> str:
    """Write one file of an archive, and return its SHA-256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with packed.open(name) as entry, path.open("wb") as file:
        while piece := entry.read(PIECE):
            digest.update(piece)
            file.write(piece)
    return digest.hexdigest()


def _check_manifest(archive: Path, packed: zipfile.ZipFile, model: str, version: str) -> None:
    says = json.loads(packed.read(MANIFEST))["model"]
    if (says["modelName"], says["modelVersion"]) != (model, version):
        raise ArchiveRefused(
            f"{archive.name} says that it is {says['modelName']} {says['modelVersion']}, not {model} {version}"
        )


def _check_answers(archive: Path, folder: Path, python: str) -> None:
    # The archive's own code knows which of its parts must fit which.
    try:
        alone.check(folder, python)
    except CannotAnswer as error:
        raise ArchiveRefused(f"{archive.name} cannot be loaded: {str(error).splitlines()[-1]}") from error
