"""The pages of docs/examples: their commands, run in a checkout of their own, and what these print.

``python -m tools.pages [shop ...]`` runs the commands of pages (of all by default) and writes their answers anew.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving.config import CONFIG, properties
from serving.ports import PAGE, addresses, is_free

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "docs" / "examples"
FOLDERS = ("archives", "client", "examples", "experiments", "feedback", "handlers", "serving", "training", "web")
FILES = ("Makefile", "config.properties", "requirements.txt", "requirements-web.txt")

_STEP = re.compile(r"^```sh\n(.*?)^```\n(?:\n```(json|text)\n(.*?)^```\n)?", re.DOTALL | re.MULTILINE)
_NUMBER = re.compile(r"\d[\d.,]*")
_PORT = re.compile(r"\blocalhost:(\d+)")


@dataclass(frozen=True)
class Step:
    """A block of commands of a page, and the block behind it: what they print, as "json" or "text", if it is there."""

    commands: str
    kind: str
    printed: str

    def agrees(self, output: str) -> bool:
        """Whether the commands still print what the page says, whatever the numbers, and the texts in JSON, are."""
        if self.kind == "json":
            return _shape(json.loads(self.printed)) == _shape(json.loads(output))
        return {_NUMBER.sub("#", line) for line in self.printed.splitlines()} <= _lines(output).keys()

    def anew(self, output: str) -> str:
        """What the page says of another output of the same commands."""
        if self.kind == "json":
            return laid_out(json.loads(output)) + "\n"
        lines = _lines(output)
        return "".join(lines.get(_NUMBER.sub("#", line), line) + "\n" for line in self.printed.splitlines())


def steps(page: Path) -> list[Step]:
    """The steps of a page, in order."""
    return [Step(commands, kind, printed) for commands, kind, printed in _STEP.findall(page.read_text())]


def filled(text: str, outputs: Iterable[str]) -> str:
    """The text of a page with what its steps have printed now."""
    output = iter(outputs)

    def step(match: re.Match[str]) -> str:
        made = Step(*match.groups(default=""))
        printed = made.anew(next(output))
        return f"```sh\n{made.commands}```\n" + (f"\n```{made.kind}\n{printed}```\n" if made.kind else "")

    return _STEP.sub(step, text)


def laid_out(answer: dict[str, Any]) -> str:
    """An answer as JSON, with a line for each entry of a list."""
    parts = []
    for key, value in answer.items():
        entries = [json.dumps(entry, ensure_ascii=False) for entry in value] if isinstance(value, list) else []
        text = "[\n  " + ",\n  ".join(entries) + "]" if entries else json.dumps(value, ensure_ascii=False)
        parts.append(f"{json.dumps(key)}: {text}")
    return "{" + ", ".join(parts) + "}"


class Checkout:
    """A copy of the code in a folder of its own, whose servers have free ports, and where commands are run."""

    def __init__(self, folder: Path):
        """Copy the code into ``folder``, which exists."""
        self.folder, self.offset = folder, _free_offset()
        for name in FOLDERS:
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in FILES:
            shutil.copy2(ROOT / name, folder)
        (folder / ".venv").symlink_to(sys.prefix)
        hidden = ("MAKE", "MFLAGS", "EVENTS", "SERVING", "PYTHONPATH", "TORCHSERVE")
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
        self._environment |= {"PORT_OFFSET": str(self.offset), "OMP_NUM_THREADS": "1"}

    def run(self, commands: str) -> str:
        """What commands print, where those of a page name the ports without an offset. Raises RuntimeError."""
        there = 'make() { command make -o .venv/installed -o .venv/installed-web "$@"; }\n'
        words = ["bash", "-e", "-o", "pipefail", "-c", there + self.here(commands)]
        result = subprocess.run(words, cwd=self.folder, env=self._environment, capture_output=True, text=True)
        if result.returncode:
            raise RuntimeError(f"{commands}{result.stdout[-2000:]}{result.stderr[-2000:]}")
        return _PORT.sub(lambda match: f"localhost:{int(match[1]) - self.offset}", result.stdout)

    def here(self, text: str) -> str:
        """A text with the ports of this checkout."""
        return _PORT.sub(lambda match: f"localhost:{int(match[1]) + self.offset}", text)


@contextmanager
def checkout() -> Iterator[Checkout]:
    """A checkout for the time of a block; what runs there is stopped then."""
    with tempfile.TemporaryDirectory(prefix="example-") as folder:
        made = Checkout(Path(folder))
        try:
            yield made
        finally:
            made.run("make stop")


def _free_offset() -> int:
    """What to add to all ports so that nobody listens on them."""
    wanted = [*addresses(properties(CONFIG)).values(), ("127.0.0.1", PAGE)]
    return next(offset for offset in range(1000 + os.getpid() % 1000 * 10, 50_000, 10)
                if all(is_free(host, port + offset) for host, port in wanted))  # fmt: skip


def _shape(value: Any) -> Any:
    """A JSON value with the kinds of its texts and numbers in their place; which entries explore is drawn."""
    if isinstance(value, dict):
        return {key: _shape(each) for key, each in value.items() if key != "explored"}
    if isinstance(value, list):
        return [_shape(each) for each in value]
    return value if value is None or isinstance(value, bool) else "text" if isinstance(value, str) else "number"


def _lines(output: str) -> dict[str, str]:
    return {_NUMBER.sub("#", line.strip()): line.strip() for line in output.splitlines()}


def main(names: list[str]) -> None:
    """Write the answers of the pages with these names, or of all."""
    for page in [PAGES / f"{name}.md" for name in names] or sorted(PAGES.glob("*.md")):
        with checkout() as made:
            page.write_text(filled(page.read_text(), [made.run(step.commands) for step in steps(page)]))
        print(f"wrote {page.relative_to(ROOT)}")


if __name__ == "__main__":
    main(sys.argv[1:])
