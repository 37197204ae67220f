"""Results as the tables of the README pages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

Tables = Iterable[Callable[[Any], str]]

README = Path(__file__).resolve().parents[1] / "README.md"


def markdown(rows: Sequence[Sequence[object]]) -> str:
    """Rows of cells, the head first; all columns but the first are numbers."""
    head, *body = [[str(cell) for cell in row] for row in rows]
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *body]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def of_records(records: Sequence[dict[str, object]]) -> str:
    """One row a record, their common keys the head."""
    cells = ([f"{one:,}" if isinstance(one, int) else one for one in record.values()] for record in records)
    return markdown([list(records[0]), *cells])


def spread(values: Sequence[float]) -> str:
    """The mean, with the range where there are several."""
    shown = f"{mean(values):.4f}"
    return shown if len(values) == 1 else f"{shown} ({min(values):.4f} to {max(values):.4f})"


def named(tables: Tables, results: Any) -> dict[str, str]:
    """What each says of the results, by its name."""
    return {made.__name__: made(results) for made in tables}


def publish(page: Path, on_its_page: Tables, in_the_readme: Tables, results: Any) -> None:
    """Put what a benchmark's results say in its place on its own page and in the README."""
    fill(page, named(on_its_page, results))
    fill(README, named(in_the_readme, results))


def fill(page: Path, tables: Mapping[str, str]) -> None:
    """Put each table in its place on a page, between ``<!-- name -->`` and ``<!-- end -->``."""
    text = page.read_text()
    for name, table in tables.items():
        place = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text = place.sub(lambda found, table=table: found[1] + table + found[2], text)
    page.write_text(text)
