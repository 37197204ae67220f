"""The archive that a training is for: what it says of its own training, compared before another one."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from archives.contents import DAMAGED, METRICS
from archives.errors import ArchiveRefused

from .config import Settings
from .data import RatingsLog

CHOSEN = "list_", "stop_after"  # what the names of settings begin with that validation rows choose


def data_of(log: RatingsLog) -> dict[str, Any]:
    """What ``metrics.json`` says of a log."""
    return (
        {"name": log.name, "sha256": log.sha256}
        | ({"events": dataclasses.asdict(log.events)} if log.events else {})
        | ({"columns": dict(log.columns)} if log.columns else {})
        | ({"show": log.shown} if log.shown else {})
    )


def exported_fit(refit: bool) -> str:
    """What ``metrics.json`` says of the rows that the exported fit has seen."""
    return "every row of the log" if refit else "training and validation rows"


def check(archive: Path, log: RatingsLog, settings: Settings, seed: int, refit: bool, tuned: bool) -> None:
    """Raise ArchiveRefused where ``archive`` exists, and this training cannot make the same contents again.

    Only what is certain counts: other code, or a choice of the validation rows, may make the same archive.
    """
    if not archive.exists():
        return
    changed = "it cannot be read"
    try:
        with ZipFile(archive) as packed:
            made = json.loads(packed.read(METRICS))
        wanted = {"data": data_of(log), "seed": seed, "exported_fit": exported_fit(refit)}
        names = [name for name, value in _plain(wanted).items() if made[name] != value]
        if not tuned:
            fixed = {name: value for name, value in dataclasses.asdict(settings).items() if not name.startswith(CHOSEN)}
            names += [name for name, value in _plain(fixed).items() if made["settings"].get(name, value) != value]
        if not names:
            return
        changed = f"it has other {', '.join(names)}"
        if "data" in names:
            changed = f"it was trained on {made['data']['name']}, and this is {log.name}"
            if made["data"]["name"] == log.name:
                changed = f"it was trained on {log.name} with other contents"
    except (*DAMAGED, KeyError, TypeError, AttributeError, ValueError):
        pass
    raise ArchiveRefused(
        f"{archive} exists, and an archive never changes ({changed}); nothing was trained. "
        "Give another VERSION, or delete the file if nothing serves it"
    )


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """The values as JSON reads them back."""
    return json.loads(json.dumps(values))
