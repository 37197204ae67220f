"""Results as the tables of the README pages."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path


def markdown(rows: Sequence[Sequence[object]]) -> str:
    """Rows of cells, the head first; all columns but the first are numbers."""
    head, *body = [[str(cell) for cell in row] for row in rows]
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *body]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def of_records(records: Sequence[dict[str, object]]) -> str:
    """One row a record, their common keys the head."""
    return markdown([list(records[0]), *(list(record.values()) for record in records)])


def fill(page: Path, tables: Mapping[str, str]) -> None:
    """Put each table in its place on a page, between ``<!-- name -->`` and ``<!-- end -->``."""
    text = page.read_text()
    for name, table in tables.items():
        place = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text = place.sub(lambda found, table=table: found[1] + table + found[2], text)
    page.write_text(text)
