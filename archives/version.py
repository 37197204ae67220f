"""Versions of archives: numbers separated by dots, ordered number by number."""

from __future__ import annotations

import re

from .errors import ArchiveRefused

VERSION = re.compile(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))*")


def check_version(version: str) -> None:
    """Raise ArchiveRefused for text that is not a version."""
    if not VERSION.fullmatch(version):
        raise ArchiveRefused(f"version {version!r} is refused: a version is numbers separated by dots, such as 1.10")


def numbers(version: str) -> tuple[int, ...] | None:
    """The numbers of a version; None for text that is not a version."""
    return tuple(map(int, version.split("."))) if VERSION.fullmatch(version) else None


def is_older(version: str, other: str) -> bool:
    """Whether a version comes before another: 1.9 before 1.10, and text that is not a version before all versions."""
    return (numbers(version) or ()) < (numbers(other) or ())
