"""Maps raw ids to rows, and rows to raw ids."""

import re
from collections.abc import Sequence

RawId = int | str

_DECIMAL = re.compile(r"-?[1-9][0-9]{0,18}|0")


class Vocabulary:
    """The ids of one side in row order; row 0 is the unknown id and has none.

    ``ids`` are all integers or all strings, without repetition, in ascending order, so that rows order as ids do.
    """

    def __init__(self, ids: Sequence[RawId]) -> None:
        self.ids: list[RawId | None] = [None, *ids]
        self.rows = {raw: row for row, raw in enumerate(self.ids) if raw is not None}
        self.integers = all(isinstance(raw, int) for raw in ids)
        if not self.integers and any(isinstance(raw, int) for raw in ids):
            raise ValueError("ids of mixed types: make them all integers or all strings")
        if len(self.rows) != len(ids):
            raise ValueError(f"{len(ids) - len(self.rows)} ids occur more than once")

    def __len__(self) -> int:
        """The number of rows, the unknown one included."""
        return len(self.ids)

    def canonical(self, raw: RawId) -> RawId:
        """The id in the archive's own type: "196" is 196 where ids are integers, 7 is "7" where they are strings."""
        if self.integers:
            return int(raw) if isinstance(raw, str) and _DECIMAL.fullmatch(raw) else raw
        return raw if isinstance(raw, str) else str(raw)

    def look_up(self, raw: Sequence[RawId]) -> tuple[Sequence[RawId], list[int]]:
        """Ids in the archive's own type, and their rows, 0 for those that are not known."""
        get = self.rows.get
        rows = [get(raw_id, 0) for raw_id in raw]
        if 0 in rows:  # an id of another type is in no row
            raw = [self.canonical(raw_id) for raw_id in raw]
            rows = [get(raw_id, 0) for raw_id in raw]
        return raw, rows

    def to_rows(self, raw: Sequence[RawId]) -> list[int]:
        """The rows of many ids, 0 for those that are not known."""
        return self.look_up(raw)[1]

    def row(self, raw: RawId) -> int:
        """The row of an id, 0 for one that is not known."""
        return self.to_rows([raw])[0]
