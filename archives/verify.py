"""An archive is verified before TorchServe may see it."""

from __future__ import annotations

import json
import stat
import struct
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path, PurePosixPath

from . import alone
from .contents import CHECKSUMS, DAMAGED, MANIFEST, PACKED, copied, parsed_checksums, sha256_of
from .errors import ArchiveRefused, CannotAnswer, StoreError
from .store import pins
from .unpack import hold, is_mapped, release
from .version import check_version

INFLATED = 20  # how many times its own size an archive may say that it holds: no compression of real numbers reaches it
# What is raised for bytes that are no archive: json's errors too, and those of contents that have another form.
UNREADABLE = (*DAMAGED, struct.error, LookupError, TypeError, ValueError)


def verify_into(
    folder: Path, archive: Path, model: str, version: str, sha256: str | None, python: str = sys.executable
) -> str:
    """Check an archive from outside to inside by unpacking it in ``folder``, and return its SHA-256.

    ``sha256``: the digest that it must have. None stands for the digest that is pinned in the store; where none is
    pinned, any will do. ``python``: the interpreter that loads it. Raises ArchiveRefused with the first fault, and
    StoreError where nothing can be written to ``folder``.
    """
    check_version(version)
    if not archive.is_file():
        raise ArchiveRefused(f"{archive} does not exist: make archive MODEL={model} VERSION={version} packs it")
    expected = sha256 or pins(archive.parent).get(archive.name)
    try:
        held = hold(archive, folder)  # all that follows looks at this one file, whatever becomes of the name
        with ThreadPoolExecutor(1) as pool:
            hashing = pool.submit(sha256_of, held)
            if expected:  # nothing is read from a file that is not the approved one
                _check_expected(archive, hashing.result(), expected)
            _unpack(archive, held, model, version)
            digest = hashing.result()
    except OSError as error:
        raise StoreError(f"{archive.name} cannot be unpacked in {folder}: {error}") from error
    _check_answers(archive, folder, python)
    return digest


def _check_expected(archive: Path, digest: str, expected: str) -> None:
    if digest != expected.lower():
        raise ArchiveRefused(
            f"{archive.name} has SHA-256 {digest}, and {expected} is pinned: it is not the file that was approved. "
            "Fetch that one again, and move it into place with mv (cp would write into a file that workers may have "
            f"mapped); if it was packed anew on purpose, remove its line from {archive.parent / CHECKSUMS}"
        )


def _unpack(archive: Path, held: Path, model: str, version: str) -> None:
    """Unpack ``held`` beside itself, each part checked as it is read. Raises ArchiveRefused, which names ``archive``.

    An entry's own header is compared with the archive's list of entries by zipfile, whenever it opens one.
    """
    try:
        with zipfile.ZipFile(held) as packed:
            _check_names(archive, packed)
            _check_sizes(archive, packed, held.stat().st_size)
            _check_manifest(archive, packed, model, version)
            _check_contents(archive, packed, held.parent)
            release(held, packed)
    except ArchiveRefused:
        raise
    except UNREADABLE as error:
        raise ArchiveRefused(f"{archive.name} is no whole archive ({error}): copy or pack it again") from error


def _check_names(archive: Path, packed: zipfile.ZipFile) -> None:
    seen: set[str] = {PACKED}  # an entry of that name would be written into the archive itself
    for entry in packed.infolist():
        name = PurePosixPath(entry.filename)
        escapes = name.is_absolute() or ".." in name.parts or "\\" in entry.filename
        if escapes or stat.S_ISLNK(entry.external_attr >> 16):
            raise ArchiveRefused(f"{archive.name} holds {entry.filename!r}, which leads out of its folder")
        if str(name) in seen:
            raise ArchiveRefused(f"{archive.name} holds {entry.filename!r} twice, or as a name that is taken")
        seen.add(str(name))


def _check_sizes(archive: Path, packed: zipfile.ZipFile, size: int) -> None:
    for entry in packed.infolist():
        stored = entry.compress_type == zipfile.ZIP_STORED and entry.compress_size == entry.file_size
        if is_mapped(entry) and not stored:
            raise ArchiveRefused(f"{archive.name} holds {entry.filename} compressed, and it is read where it lies")
    total = sum(entry.file_size for entry in packed.infolist())
    if total > INFLATED * size:
        raise ArchiveRefused(f"{archive.name} has {size} bytes and says that it holds {total}: it would fill the disk")


def _check_contents(archive: Path, packed: zipfile.ZipFile, folder: Path) -> None:
    listed = parsed_checksums(packed.read(CHECKSUMS).decode())
    found = {entry.filename for entry in packed.infolist() if not entry.is_dir()} - {CHECKSUMS, MANIFEST}
    for name in sorted(listed.keys() ^ found):
        where = "is not in the archive" if name in listed else "is in the archive and not in that list"
        raise ArchiveRefused(f"{archive.name} does not hold what its {CHECKSUMS} lists: {name} {where}")
    for name in (CHECKSUMS, MANIFEST):
        packed.extract(name, folder)
    for name, expected in listed.items():
        digest = _read(packed, name, None if is_mapped(packed.getinfo(name)) else folder / name)
        if digest != expected:
            raise ArchiveRefused(f"{archive.name} was changed: {name} has SHA-256 {digest}, its list says {expected}")


def _read(packed: zipfile.ZipFile, name: str, path: Path | None) -> str:
    """The SHA-256 of one file of an archive, which is written to ``path`` where one is given."""
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
    with packed.open(name) as entry, path.open("wb") if path else nullcontext() as file:
        return copied(entry, file)


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
