"""What was served when: one JSON line a change of a default, in ``model_store/served.jsonl``."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from .archives import replacing

NAME = "served.jsonl"


class Record:
    """The record beside the archives of a store."""

    def __init__(self, store: Path) -> None:
        self.path = store / NAME

    def lines(self, model: str) -> list[dict[str, Any]]:
        """A model's lines, oldest first."""
        try:
            text = self.path.read_text()
        except FileNotFoundError:
            return []
        return [line for line in map(json.loads, text.splitlines()) if line["model"] == model]

    def add(self, model: str, version: str, why: str, keep: bool = False) -> None:
        """Note that a version answers from now on; nothing where the last line says so already.

        ``keep``: the version that it replaces is to go on answering by its number.
        """
        lines = self.lines(model)
        if lines and lines[-1]["version"] == version:
            return
        now = datetime.now(UTC).isoformat(timespec="seconds")
        line = {"time": now, "model": model, "version": version, "why": why} | ({"keep": True} if keep else {})
        before = self.path.read_text() if self.path.exists() else ""
        with replacing(self.path) as staged:  # whole or not at all, on a full disk too
            staged.write_text(f"{before}{json.dumps(line)}\n")

    def superseded(self, model: str, version: str) -> list[str]:
        """The versions that answered before ``version`` and are of no use now, latest first.

        That is the one that it replaced, and any that was left by a rollout that did not come to its end; not what a
        rollout was told to keep.
        """
        lines = self.lines(model)
        kept: set[str] = set()
        for old, new in pairwise(lines):
            (kept.add if new.get("keep") else kept.discard)(old["version"])
        past = [one for one in dict.fromkeys(line["version"] for line in reversed(lines)) if one != version]
        return past[:1] + [one for one in past[1:] if one not in kept]

    def before(self, model: str, *found: str) -> str | None:
        """The version that answered before the last of ``found`` did; None where there was none.

        ``found``: what has answered since the last line, as far as is known. A return to an earlier version forgets
        what came after it: after 1.2 and then 1.1 are taken back, 1.0 answers.
        """
        past: list[str] = []
        for one in [*(line["version"] for line in self.lines(model)), *found]:
            if one in past:
                del past[past.index(one) :]
            past.append(one)
        return past[-2] if len(past) > 1 else None
