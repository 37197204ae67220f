"""The fingerprint of a training, kept beside the model that it made: the same command again then does nothing."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd

from archives.pack import DETAILS

from .comparison.running import Running
from .config import Settings
from .data import RatingsLog
from .data.digest import sha256_of

ROOT = Path(__file__).resolve().parents[1]
CODE = ("training", "handlers", "archives")
PACKAGES = ("numpy", "pandas", "scikit-learn", "scipy", "torch")

# Where the name under which a fingerprint has something is no option of training.
IN_WORDS = {
    "events": "the events of the store",
    "features": "the side features",
    "log": "the log",
    "packages": "the installed packages",
    "running": "the running version that it is compared with",
    "shown": "what of the items answers show",
    "test": "the rows of --test",
    "words": "what an item is called",
}

Fingerprint = dict[str, Any]


def fingerprint(
    log: RatingsLog,
    settings: Settings,
    split: str,
    seed: int,
    refit: bool,
    test: pd.DataFrame | None = None,
    running: Running | None = None,
    tune: int | None = None,
) -> Fingerprint:
    """All that decides what a training makes, by name; as JSON reads it back.

    These are the contents of the log and of the test rows, the settings as they are given (before the validation rows
    choose), how many others are tried, the source code of training and handlers, and the versions of the packages that
    compute. Device and threads are left out: they change a model by no more than another seed does.
    """
    found = dataclasses.asdict(settings) | {
        "log": [log.name, log.sha256],
        "events": log.events and dataclasses.asdict(log.events),
        "features": [log.user_features, log.movie_features],
        "words": msgspec.to_builtins(log.words),
        "shown": log.shown,
        "test": None if test is None else sha256_of(test),
        "split": split,
        "seed": seed,
        "refit": refit,
        "running": None if running is None else running.sha256,
        "tune": None if tune is None else [tune, version("optuna")],
        "code": code(),
        "packages": packages(),
    }
    return json.loads(json.dumps(found))


def differing(folder: Path, wanted: Fingerprint) -> list[str] | None:
    """The names under which ``wanted`` differs from what the model in ``folder`` was made for; None without a model."""
    try:
        made = json.loads((folder / DETAILS).read_text())["fingerprint"]
    except (FileNotFoundError, json.JSONDecodeError, KeyError, TypeError):
        return None
    if not (folder / f"{folder.name}.pt").is_file() or not (folder / "metadata.json").is_file():
        return None
    return sorted(name for name in made.keys() | wanted.keys() if made.get(name) != wanted.get(name))


def program() -> str:
    """The code and the packages, as JSON: the processes of one training must have the same."""
    return json.dumps([code(), packages()])


def packages() -> dict[str, str]:
    """The versions of the packages that compute."""
    return {name: version(name) for name in PACKAGES}


@cache
def code() -> str:
    """Hex digest of the source files that training runs."""
    files = sorted(path for folder in CODE for path in (ROOT / folder).rglob("*.py"))
    return _sha256(*(part for path in files for part in (str(path.relative_to(ROOT)).encode(), path.read_bytes())))


def _sha256(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()
