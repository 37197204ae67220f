"""Results of benchmarks as Markdown tables, and their places in docs/benchmarks.md and README.md."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

Tables = Iterable[Callable[[Any], str]]

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
PAGE = ROOT / "docs/benchmarks.md"


def markdown(rows: Sequence[Sequence[object]]) -> str:
    """Rows of cells as a table. The first row is the head; all columns but the first are aligned as numbers."""
    head, *body = [[str(cell) for cell in row] for row in rows]
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *body]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def of_records(records: Sequence[dict[str, object]]) -> str:
    """A table with a row for each record. The head holds the keys, which all records share."""
    cells = ([f"{cell:,}" if isinstance(cell, int) else cell for cell in record.values()] for record in records)
    return markdown([list(records[0]), *cells])


def spread(values: Sequence[float]) -> str:
    """The mean, with the range if there are several values."""
    shown = f"{mean(values):.4f}"
    return shown if len(values) == 1 else f"{shown} ({min(values):.4f} to {max(values):.4f})"


def named(tables: Tables, results: Any) -> dict[str, str]:
    """The text of each table, by the name of the function that makes it."""
    return {table.__name__: table(results) for table in tables}


def publish(results: Any, on_the_page: Tables, in_the_readme: Tables = ()) -> None:
    """Write the tables of a benchmark into docs/benchmarks.md and README.md."""
    fill(PAGE, named(on_the_page, results))
    fill(README, named(in_the_readme, results))


def fill(page: Path, tables: Mapping[str, str]) -> None:
    """Write each table into its place on a page, between ``<!-- name -->`` and ``<!-- end -->``.

    Raises ValueError, and leaves the page as it is, if the page has no place for a table or several.
    """
    text = page.read_text()
    for name, table in tables.items():
        place = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text, places = place.subn(lambda found, table=table: found[1] + table + found[2], text)
        if places != 1:
            raise ValueError(f"{page.name} has {places} places for the table {name}, not one")
    page.write_text(text)
