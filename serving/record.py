"""What was served when: one JSON line a change of a default, in ``model_store/served.jsonl``."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from .archives import replacing

NAME = "served.jsonl"


class Record:
    """The record beside the archives of a store."""

    def __init__(self, store: Path) -> None:
        self.path = store / NAME

    def lines(self, model: str) -> list[dict[str, str]]:
        """A model's lines, oldest first."""
        try:
            text = self.path.read_text()
        except FileNotFoundError:
            return []
        return [line for line in map(json.loads, text.splitlines()) if line["model"] == model]

    def add(self, model: str, version: str, why: str) -> None:
        """Note that a version answers from now on; nothing where the last line says so already."""
        lines = self.lines(model)
        if lines and lines[-1]["version"] == version:
            return
        now = datetime.now(UTC).isoformat(timespec="seconds")
        line = json.dumps({"time": now, "model": model, "version": version, "why": why})
        before = self.path.read_text() if self.path.exists() else ""
        with replacing(self.path) as staged:  # whole or not at all, on a full disk too
            staged.write_text(f"{before}{line}\n")

    def replaced(self, model: str, version: str) -> str | None:
        """The last version that answered and was another one; None where there was none."""
        return next((one["version"] for one in reversed(self.lines(model)) if one["version"] != version), None)

    def before(self, model: str, version: str) -> str | None:
        """The version that answered before ``version`` did; None where there was none.

        A return to an earlier version forgets what came after it: after 1.2 and then 1.1 are taken back, 1.0 answers.
        """
        past: list[str] = []
        for one in [*(line["version"] for line in self.lines(model)), version]:
            if one in past:
                del past[past.index(one) :]
            past.append(one)
        return past[-2] if len(past) > 1 else None
