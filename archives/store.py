"""The model store: archives pinned by their SHA-256, files replaced by rename, changed by one process at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .contents import CHECKSUMS, file_name, parsed_checksums, sha256_of, written_checksums
from .errors import ArchiveRefused, StoreError


def pins(store: Path) -> dict[str, str]:
    """The pinned SHA-256 of each archive of a store that has one, by file name."""
    try:
        return parsed_checksums((store / CHECKSUMS).read_text())
    except FileNotFoundError:
        return {}


def pin(store: Path, archive: str, digest: str) -> None:
    """Pin an archive's SHA-256, so that no other file of its name is ever served."""
    known = pins(store)
    if known.get(archive) != digest:
        with replacing(store / CHECKSUMS) as staged:
            staged.write_text(written_checksums(known | {archive: digest}))


def check_default(archive: Path) -> None:
    """Raise ArchiveRefused for a ``<model>.mar`` that is not a copy of a pinned version, where versions are pinned."""
    model = archive.stem
    pinned = {name: digest for name, digest in pins(archive.parent).items() if name.rpartition("-")[0] == model}
    if pinned and sha256_of(archive) not in pinned.values():
        raise ArchiveRefused(
            f"{archive} is none of the pinned archives ({', '.join(pinned)}): it was changed. "
            f"Copy the version that should answer over it, cp {archive.parent}/{file_name(model, 'VERSION')} {archive}"
        )


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a file to write beside ``path``, which it replaces in one step when the block ends without an error.

    A file that a killed process has left there is overwritten by the next. Raises StoreError where nothing can be
    written.
    """
    staged = path.with_name(f".{path.name}.new")
    try:
        yield staged
        with staged.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(staged, path)
    except OSError as error:
        raise StoreError(f"{path} cannot be written ({error.strerror}); its earlier contents are untouched") from error
    finally:
        with suppress(OSError):  # a read-only store holds nothing to remove
            staged.unlink(missing_ok=True)


@contextmanager
def locked(store: Path, wait: bool = False) -> Iterator[None]:
    """Let one process at a time change a folder; the lock of a killed process ends with it.

    Raises StoreError where it cannot be opened, and where another process changes it, unless the caller is to ``wait``.
    """
    try:
        folder = os.open(store, os.O_RDONLY)
    except OSError as error:
        raise StoreError(f"{store} cannot be opened ({error.strerror})") from error
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    except BlockingIOError:
        raise StoreError(f"another rollout is changing {store}: wait for it, or end it and run this again") from None
    finally:
        os.close(folder)
