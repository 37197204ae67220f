"""Archives in the model store: checked before TorchServe may see them, pinned by their SHA-256, replaced by rename."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import stat
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any

CHECKSUMS = "SHA256SUMS"  # in an archive: of its files; in the store: of the archives (sha256sum -c reads both)
MANIFEST = "MAR-INF/MANIFEST.json"
VERSION = re.compile(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))*")  # of training/archive.py too

# The archive's own loader knows which of its parts must fit which. It runs in a process that sees nothing else of ours.
LOAD = """
import sys, pathlib, torch
sys.path.insert(0, sys.argv[1])
try:
    from recommender.model import archive
except ModuleNotFoundError:  # packed before version 2.0
    from recommender import archive
archive.load(pathlib.Path(sys.argv[1]), torch.device("cpu"))
"""


class ArchiveRefused(RuntimeError):
    """An archive that must not be served; the message says which and why."""


class StoreError(RuntimeError):
    """The model store cannot be written, or somebody else is changing it; the message says what to do."""


def verify(archive: Path, model: str, version: str, sha256: str | None, python: str = sys.executable) -> str:
    """Check an archive from outside to inside, and return its SHA-256.

    ``sha256`` is the digest it must have: where None, the one pinned in the store, and where there is none yet either,
    any. Raises ArchiveRefused with the first thing that is wrong.
    """
    check_version(version)
    if not archive.is_file():
        raise ArchiveRefused(f"{archive} does not exist: make archive MODEL={model} VERSION={version} packs it")
    digest = sha256_of(archive)
    expected = sha256 or pins(archive.parent).get(archive.name)
    if expected and digest != expected.lower():
        raise ArchiveRefused(
            f"{archive.name} has SHA-256 {digest}, and {expected} is pinned: it is not the file that was approved. "
            f"Fetch that one again; if it was packed anew on purpose, remove its line from {archive.parent / CHECKSUMS}"
        )
    try:
        with zipfile.ZipFile(archive) as packed, tempfile.TemporaryDirectory(prefix="archive-") as folder:
            _check_names(archive, packed)
            _check_contents(archive, packed)
            _check_manifest(archive, packed, model, version)
            packed.extractall(folder)
            _check_loads(archive, Path(folder), python)
    except (zipfile.BadZipFile, EOFError, KeyError) as error:
        raise ArchiveRefused(f"{archive.name} is no whole archive ({error}): copy or pack it again") from error
    return digest


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


def _check_contents(archive: Path, packed: zipfile.ZipFile) -> None:
    lines = packed.read(CHECKSUMS).decode().splitlines()
    listed = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    found = {entry.filename for entry in packed.infolist() if not entry.is_dir()} - {CHECKSUMS, MANIFEST}
    for name in sorted(listed.keys() ^ found):
        where = "is not in the archive" if name in listed else "is in the archive and not in that list"
        raise ArchiveRefused(f"{archive.name} does not hold what its {CHECKSUMS} lists: {name} {where}")
    for name, expected in listed.items():
        digest = hashlib.sha256(packed.read(name)).hexdigest()
        if digest != expected:
            raise ArchiveRefused(f"{archive.name} was changed: {name} has SHA-256 {digest}, its list says {expected}")


def _check_manifest(archive: Path, packed: zipfile.ZipFile, model: str, version: str) -> None:
    says = json.loads(packed.read(MANIFEST))["model"]
    if (says["modelName"], says["modelVersion"]) != (model, version):
        raise ArchiveRefused(
            f"{archive.name} says that it is {says['modelName']} {says['modelVersion']}, not {model} {version}"
        )


def _check_loads(archive: Path, folder: Path, python: str) -> None:
    result = subprocess.run(
        [python, "-I", "-W", "ignore", "-c", LOAD, str(folder)], cwd=folder, capture_output=True, text=True
    )
    if result.returncode:
        reason = (result.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise ArchiveRefused(f"{archive.name} cannot be loaded: {reason}")


def check_version(version: str) -> None:
    """Raise ArchiveRefused for what is no version."""
    if not VERSION.fullmatch(version):
        raise ArchiveRefused(f"version {version!r} is refused: a version is numbers separated by dots, such as 1.10")


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_older(version: str, other: str) -> bool:
    """Whether a version comes before another one: 1.9 before 1.10, and what is no version before all that are."""
    both = ([int(part) for part in one.split(".")] if VERSION.fullmatch(one) else [] for one in (version, other))
    first, second = both
    return first < second


def version_in(archive: Path) -> str | None:
    """The version that an archive says it is; None where there is no readable archive."""
    try:
        with zipfile.ZipFile(archive) as packed:
            return json.loads(packed.read(MANIFEST))["model"]["modelVersion"]
    except (OSError, zipfile.BadZipFile, KeyError, ValueError):
        return None


def ids_in(archive: Path, side: str) -> list[Any]:
    """The ids in an archive's dictionary of ``users`` or ``movies``, without the unknown one."""
    with zipfile.ZipFile(archive) as packed:
        return json.loads(packed.read(f"{side}.json"))[1:]


def pins(store: Path) -> dict[str, str]:
    """The pinned SHA-256 of each archive of a store that has one."""
    try:
        lines = (store / CHECKSUMS).read_text().splitlines()
    except FileNotFoundError:
        return {}
    return {name: digest for digest, name in (line.split("  ", 1) for line in lines if line)}


def pin(store: Path, archive: str, digest: str) -> None:
    """Pin an archive's SHA-256, so that no other file of its name is ever served."""
    known = pins(store)
    if known.get(archive) != digest:
        known[archive] = digest
        with replacing(store / CHECKSUMS) as staged:
            staged.write_text("".join(f"{digest}  {name}\n" for name, digest in sorted(known.items())))


def check_default(archive: Path) -> None:
    """Refuse a ``<model>.mar`` that is a copy of no pinned version of that model, once there are pinned ones."""
    model = archive.stem
    pinned = {name: digest for name, digest in pins(archive.parent).items() if name.rpartition("-")[0] == model}
    if pinned and sha256_of(archive) not in pinned.values():
        raise ArchiveRefused(
            f"{archive} is none of the pinned archives ({', '.join(pinned)}): it was changed. "
            f"Copy the version that should answer over it, cp {archive.parent}/{model}-VERSION.mar {archive}"
        )


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a file to write beside ``path``, which it replaces in one step when the block ends well.

    What a killed run has left there is overwritten by the next. Raises StoreError where nothing can be written.
    """
    staged = path.with_name(f".{path.name}.new")
    try:
        yield staged
        with staged.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(staged, path)
    except OSError as error:
        raise StoreError(f"{path} cannot be written ({error.strerror}); what it was before is untouched") from error
    finally:
        with suppress(OSError):  # a read-only store holds nothing to remove
            staged.unlink(missing_ok=True)


@contextmanager
def locked(store: Path) -> Iterator[None]:
    """Only one rollout at a time changes a store; a killed one lets go by itself."""
    try:
        folder = os.open(store, os.O_RDONLY)
    except OSError as error:
        raise StoreError(f"{store} cannot be opened ({error.strerror})") from error
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise StoreError(f"another rollout is changing {store}: wait for it, or end it and run this again") from None
    finally:
        os.close(folder)
