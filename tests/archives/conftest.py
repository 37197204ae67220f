"""A model store of one test's own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def folder(store: Path, tmp_path: Path) -> Path:
    """A model store with fm 1.0 as its default."""
    for name in ("fm-1.0.mar", "fm.mar"):
        shutil.copyfile(store / name, tmp_path / name)
    return tmp_path
