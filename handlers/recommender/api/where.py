"""From the conditions of a request to those that a model's columns know."""

from collections.abc import Mapping
from typing import Any

from msgspec import UNSET

from ..model.attributes import AnyOf, Column, Condition, Kind, Range, Where
from .errors import InvalidRequest, shortened
from .requests import GivenCondition
from .requests import Range as GivenRange

# What one value of a column is, and how an error asks for it.
VALUES: dict[Kind, tuple[type, str]] = {
    "number": (float, 'a number, an array of numbers, or {"min": 10, "max": 500}'),
    "boolean": (bool, "true or false"),
    "category": (str, "a text or an array of texts"),
    "tags": (str, "a text or an array of texts"),
}


def conditions(
    given: Mapping[str, GivenCondition], columns: Mapping[str, Column]
) -> tuple[Where, list[tuple[str, str]]]:
    """The conditions in their one form, and the texts that no movie has: where each stands, and the text.

    Raises InvalidRequest for a column that there is not, and for a condition that its column cannot meet.
    """
    unknown: list[tuple[str, str]] = []
    where: dict[str, Condition] = {}
    for name in sorted(given):
        if name not in columns:
            there = f"its columns are {', '.join(columns)}" if columns else "it has none"
            raise InvalidRequest(
                f"where has {shortened(name)}, which is no column of this model: {there} (--show adds one in training)"
            )
        where[name] = _condition(f"where.{name}", given[name], columns[name], unknown)
    return tuple(where.items()), unknown


def _condition(field: str, given: GivenCondition, column: Column, unknown: list[tuple[str, str]]) -> Condition:
    kind, expected = VALUES[column.kind]
    if isinstance(given, GivenRange) and kind is float:
        return _range(field, given)
    values = given if isinstance(given, list) else [given]
    if not values or not all(type(value) is kind for value in values):
        raise InvalidRequest(f"{field} is {shortened(given)}: it is a column of kind {column.kind}, so give {expected}")
    known = {value for value in values if value in column}
    for place, value in enumerate(values):
        if value not in known:
            unknown.append((f"{field}[{place}]" if isinstance(given, list) else field, value))
    return AnyOf(tuple(sorted(known)))  # without what no movie has, which may be long


def _range(field: str, given: GivenRange) -> Range:
    bounds: tuple[Any, Any] = (given.min, given.max)
    if bounds == (UNSET, UNSET):
        raise InvalidRequest(f"{field} is {{}}: give min, max or both")
    low = float("-inf") if given.min is UNSET else given.min
    high = float("inf") if given.max is UNSET else given.max
    if low > high:
        raise InvalidRequest(f"{field} has min {low:g}, which is above max {high:g}: give them the other way round")
    return Range(low, high)


def size(given: Mapping[str, GivenCondition]) -> int:
    """How many values conditions have together."""
    return sum(len(condition) if isinstance(condition, list) else 1 for condition in given.values())
