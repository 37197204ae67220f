"""Columns of attributes: each condition finds what a loop over the values finds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from handlers.recommender.model.attributes import (
    AnyOf,
    Categories,
    Column,
    Condition,
    Flags,
    Numbers,
    Range,
    Tags,
    meeting,
    missing,
)
from handlers.recommender.model.vocabulary import Vocabulary

INF = float("inf")
INT32, INT64 = np.dtype(np.int32), np.dtype(np.int64)
COLUMNS: dict[str, Column] = {
    "whole": Numbers(np.array([missing(INT32), 3, -7, 3, 0], np.int32)),
    "large": Numbers(np.array([missing(INT64), 2**53 + 1, 2**53, -(2**63) + 1, 2**63 - 1], np.int64)),
    "decimal": Numbers(np.array([np.nan, 499.99, 500.0, -0.5, np.nan])),
    "flag": Flags(np.array([-1, 1, 0, 1, -1], np.int8)),
    "category": Categories(np.array([0, 2, 1, 2, 0], np.int32), Vocabulary(["Bikes", "Tents"])),
    "tags": Tags(
        Vocabulary(["blue", "red"]),
        np.array([1, 0, 0], np.int32),
        np.array([0, 0, 2, 3, 3, 3]),
        np.array([1, 2, 1], np.int32),
        np.array([0, 2, 3]),
    ),
}


def meets(value: Any, condition: Condition) -> bool:
    """Whether a value, None for none, meets a condition."""
    values = value if isinstance(value, list) else [value]
    if isinstance(condition, AnyOf):
        return any(one in condition.values for one in values)
    return value is not None and condition.low <= value <= condition.high


@pytest.mark.parametrize(
    ("name", "condition"),
    [
        ("whole", Range(0, INF)),
        ("whole", Range(-INF, INF)),
        ("whole", Range(-6.5, 2.5)),
        ("whole", Range(2.1, 2.9)),
        ("whole", Range(-1e300, 1e300)),
        ("whole", Range(1e300, INF)),
        ("whole", AnyOf((-7.0, 2.5, 3.0, 1e30))),
        ("whole", AnyOf((0.5,))),
        ("whole", AnyOf((float(missing(INT32)),))),
        ("large", Range(2**53, 2**53)),
        ("large", Range(-INF, INF)),
        ("large", Range(-INF, 0)),
        ("decimal", Range(10, 499.99)),
        ("decimal", Range(-INF, INF)),
        ("decimal", AnyOf((-0.5, 500.0))),
        ("flag", AnyOf((True,))),
        ("flag", AnyOf((False,))),
        ("flag", AnyOf((False, True))),
        ("category", AnyOf(("Bikes",))),
        ("category", AnyOf(("Bikes", "Boats", "Tents"))),
        ("category", AnyOf(("Boats",))),
        ("tags", AnyOf(("red",))),
        ("tags", AnyOf(("blue", "green", "red"))),
        ("tags", AnyOf(("green",))),
    ],
)
def test_a_condition_finds_the_rows_whose_values_meet_it(name: str, condition: Condition) -> None:
    column = COLUMNS[name]
    found = column.matches(condition)
    assert found.dtype == bool
    assert found.tolist() == [meets(column.value(row), condition) for row in range(len(column))]


def test_all_conditions_hold_together() -> None:
    where = (("category", AnyOf(("Tents",))), ("decimal", Range(0, 1000)), ("flag", AnyOf((True,))))
    assert meeting(where, COLUMNS).tolist() == [False, True, False, False, False]


def test_values_are_those_of_json() -> None:
    said = {name: [column.value(row) for row in (0, 1)] for name, column in COLUMNS.items()}
    assert said == {
        "whole": [None, 3],
        "large": [None, 2**53 + 1],
        "decimal": [None, 499.99],
        "flag": [None, True],
        "category": [None, "Tents"],
        "tags": [[], ["red", "blue"]],
    }
    assert type(said["whole"][1]) is int


def test_arrays_that_do_not_fit_each_other_are_refused() -> None:
    names, offsets, nothing = Vocabulary(["a"]), np.array([0, 1]), np.zeros(0, np.int32)
    with pytest.raises(ValueError, match="not those of 1 texts"):
        Categories(np.array([0, 2], np.int32), names)
    with pytest.raises(ValueError, match="rows for 0 texts"):
        Tags(names, np.zeros(1, np.int32), offsets, nothing, np.array([0]))
    with pytest.raises(ValueError, match="do not lead"):
        Tags(names, np.zeros(1, np.int32), offsets, nothing, offsets)
