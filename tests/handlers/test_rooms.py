"""The rooms of the handler's package: which of them imports which, and how long the way of a request is."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from handlers.recommender.api.service import Service

PACKAGE = Path(__file__).resolve().parents[2] / "handlers" / "recommender"

# What the modules of a room may import: other rooms of the package, and packages that not every room may.
MAY_IMPORT = {
    "model": set(),
    "api": {"model"},
    "fast": {"model", "api"},
    "hosts": {"model", "api", "loading", "ts"},
    "loading": {"model", "api", "fast"},
}
RESTRICTED = {*MAY_IMPORT, "ts"}


def imports(path: Path) -> Iterator[str]:
    """The rooms, and ``ts``, that a module imports, wherever in it."""
    room_of_module = path.relative_to(PACKAGE).with_suffix("").parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name.split(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = room_of_module[: len(room_of_module) - node.level] if node.level else ()
            full = (*base, *((node.module or "").split(".") if node.module else ()))
            yield from [full[0]] if full else [name.name for name in node.names]


def modules() -> list[Path]:
    return [path for path in sorted(PACKAGE.rglob("*.py")) if path != PACKAGE / "__init__.py"]


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_what_it_may(path: Path) -> None:
    room = path.relative_to(PACKAGE).with_suffix("").parts[0]
    imported = {name for name in imports(path) if name in RESTRICTED} - {room}
    assert imported <= MAY_IMPORT[room]
    assert "ts" not in imported or path.relative_to(PACKAGE).parts[:2] == ("hosts", "torchserve")


def test_fast_is_imported_at_one_line() -> None:
    users = [path for path in modules() if path.relative_to(PACKAGE).parts[0] != "fast" and "fast" in imports(path)]
    assert [path.name for path in users] == ["loading.py"]
    assert users[0].read_text().count("accelerate(") == 1


def test_the_whole_way_of_a_request_fits_on_one_screen() -> None:
    assert len(inspect.getsource(Service.answer).splitlines()) <= 40
