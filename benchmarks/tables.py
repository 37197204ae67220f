"""Results as the tables of the README pages."""

from __future__ import annotations

from collections.abc import Sequence


def markdown(rows: Sequence[Sequence[object]]) -> str:
    """Rows of cells, the head first; all columns but the first are numbers."""
    head, *body = [[str(cell) for cell in row] for row in rows]
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *body]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def of_records(records: Sequence[dict[str, object]]) -> str:
    """One row a record, their common keys the head."""
    return markdown([list(records[0]), *(list(record.values()) for record in records)])
