"""Which version was the default when: one JSON line a change, in ``model_store/served.jsonl``."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from archives.store import replacing

NAME = "served.jsonl"


class Record:
    """The record of a model store."""

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
        """Add a line: a version is the default from now on. No line is added where the last one says so already.

        ``keep``: the version that it replaces goes on answering by its number.
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
        """The versions that were the default before ``version`` and can be retired now, latest first.

        These are the version that it replaced, and versions that were left by rollouts that did not come to their end;
        not versions that a rollout was told to keep.
        """
        lines = self.lines(model)
        kept: set[str] = set()
        for old, new in pairwise(lines):
            if new.get("keep"):
                kept.add(old["version"])
            else:
                kept.discard(old["version"])
        past = [earlier for earlier in dict.fromkeys(line["version"] for line in reversed(lines)) if earlier != version]
        return past[:1] + [earlier for earlier in past[1:] if earlier not in kept]

    def before(self, model: str, *found: str) -> str | None:
        """The version that was the default before the last of ``found``; None where there was none.

        ``found``: the defaults since the last line, as far as they are known. A return to an earlier version forgets
        the versions after it: after 1.2 and then 1.1 are rolled back, 1.0 is the default.
        """
        past: list[str] = []
        for version in [*(line["version"] for line in self.lines(model)), *found]:
            if version in past:
                del past[past.index(version) :]
            past.append(version)
        return past[-2] if len(past) > 1 else None
