"""Side features: from what a file or a request says to the indices and weights that a network takes.

A side (users or movies) has fields; each occupies a fixed range of columns and a range of rows in the side's feature
table, whose first row is the field's missing value.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

import msgspec
import numpy as np

from .errors import FeatureError

Value = str | int | float | Sequence[str] | None


def tags_of(value: Value) -> list[str]:
    """The values of a multi-valued field, each once: those of a list, or of a string split at ``|``."""
    if value is None:
        return []
    if isinstance(value, str):
        value = value.split("|")
    return list(dict.fromkeys(str(tag).strip() for tag in value if str(tag).strip()))


def text_of(value: Value) -> str:
    """A category as text, so that 10, 10.0 and "10" are the same one."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


class Field(msgspec.Struct, frozen=True):
    """One side feature.

    ``kind``: a ``category`` is one of ``values``; ``tags`` are any number of them (weights 1/n); a ``number`` falls
    into a bin between ``edges``. ``columns``: how many indices it takes. ``offset``: the feature-table row of its
    missing value; known values follow in order.
    """

    name: str
    kind: Literal["category", "tags", "number"]
    columns: int
    offset: int
    values: tuple[str, ...] = ()
    edges: tuple[float, ...] = ()

    @property
    def size(self) -> int:
        """Rows in the feature table, the missing value's included."""
        return 1 + (len(self.edges) + 1 if self.kind == "number" else len(self.values))

    def encode(self, value: Value) -> tuple[list[int], list[float], bool]:
        """Indices and weights, ``columns`` of each, and whether a value was given that is not known."""
        if self.kind == "number":
            number = _number(value)
            known = [] if number is None else [1 + int(np.searchsorted(self.edges, number, side="right"))]
            given = known
        else:
            given = tags_of(value) if self.kind == "tags" else [] if value in (None, "") else [text_of(value)]
            positions = _positions(self.values)
            known = [positions[tag] for tag in given if tag in positions][: self.columns]
        weight = 1.0 / len(known) if known else 1.0
        indices = known or [0]
        padding = self.columns - len(indices)
        return (
            [self.offset + index for index in indices] + [self.offset] * padding,
            [weight] * len(indices) + [0.0] * padding,
            len(known) < len(given),
        )


@lru_cache(maxsize=64)
def _positions(values: tuple[str, ...]) -> dict[str, int]:
    return {value: 1 + position for position, value in enumerate(values)}


def _number(value: Value) -> float | None:
    if value in (None, ""):
        return None
    number = float(value)  # type: ignore[arg-type]
    return number if np.isfinite(number) else None


_KINDS = {"category": "a text or a number", "tags": "a list of texts, or one with | between them", "number": "a number"}


class FeatureSchema(msgspec.Struct, frozen=True):
    """The side features of one side, in column order."""

    fields: tuple[Field, ...] = ()

    @property
    def size(self) -> int:
        """Rows of the side's feature table; at least 1, so that the table exists."""
        return max(1, sum(field.size for field in self.fields))

    @property
    def names(self) -> list[str]:
        """The names of the side features."""
        return [field.name for field in self.fields]

    def encode(self, values: Mapping[str, Any]) -> tuple[list[int], list[float], list[str]]:
        """Indices and weights of one user or movie, and the names of fields with a value that is not known.

        Names that are not side features are not looked at. Raises FeatureError for a value of another kind.
        """
        indices: list[int] = []
        weights: list[float] = []
        unknown: list[str] = []
        for field in self.fields:
            value = values.get(field.name)
            try:
                index, weight, is_unknown = field.encode(value)
            except (TypeError, ValueError, OverflowError):
                raise FeatureError(field.name, value, _KINDS[field.kind]) from None
            indices += index
            weights += weight
            if is_unknown:
                unknown.append(field.name)
        return indices, weights, unknown
