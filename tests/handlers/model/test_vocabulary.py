"""Ids and rows: the same answers as a dictionary of Python's gives, for integers and for strings."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from handlers.recommender.model.texts import Texts
from handlers.recommender.model.vocabulary import Vocabulary

INTEGERS = [-(1 << 63), -5, 0, 7, 196, 242, (1 << 63) - 1]
STRINGS = ["", "196", "u-1", "u-2", "é"]
ASKED = [*INTEGERS, *STRINGS, 8, "7", "-5", "007", "7.0", " 7", "+7", 1 << 63, -(1 << 70), str(1 << 63), "\ud800", "u-"]


@pytest.mark.parametrize("ids", [INTEGERS, STRINGS, []])
def test_ids_of_either_type_are_found_as_a_dictionary_finds_them(ids: list) -> None:
    vocabulary = Vocabulary(ids)
    known = {raw: row for row, raw in enumerate(ids, start=1)}
    for asked in (ASKED, ids, *([one] for one in ASKED)):
        canonical = [raw if raw in known else vocabulary.canonical(raw) for raw in asked]
        expected = [known.get(raw, 0) for raw in canonical]
        found, rows = vocabulary.look_up(asked)
        assert rows.tolist() == [vocabulary.row(raw) for raw in asked] == expected
        assert [raw for raw, row in zip(found, rows, strict=True) if row] == [
            raw for raw, row in zip(canonical, rows, strict=True) if row
        ]
    assert vocabulary.row("nobody") == 0
    assert list(vocabulary.ids) == [None, *ids]
    assert vocabulary.ids[1:] == ids
    assert len(vocabulary) == len(ids) + 1


@pytest.mark.parametrize("ids", [np.array(INTEGERS), Texts.of(STRINGS)])
def test_what_an_archive_keeps_makes_the_same_vocabulary(ids: np.ndarray | Texts) -> None:
    vocabulary = Vocabulary(ids)
    again = Vocabulary.of_arrays(vocabulary.arrays)
    assert list(again.ids) == list(vocabulary.ids)
    assert again.to_rows(ASKED) == vocabulary.to_rows(ASKED)
    assert again.integers == vocabulary.integers


ORDERS = [[2, 1], [1, 1], ["b", "a"], ["a", "a"], np.array([2, 1]), Texts.of(["b", "a"]), Texts.of(["a", "a"])]


@pytest.mark.parametrize("ids", ORDERS, ids=lambda ids: str(list(ids)))
def test_ids_that_are_not_in_order_or_come_twice_are_refused(ids: list) -> None:
    with pytest.raises(ValueError, match="not in ascending order, or one of them occurs more than once"):
        Vocabulary(ids)


def test_ids_of_other_types_are_refused() -> None:
    for ids in ([1, "a"], [1.0, 2.0], [None]):
        with pytest.raises(ValueError, match="mixed types"):
            Vocabulary(ids)
    for values in (np.array([1.0, 2.0]), np.array([1, 1 << 63], np.uint64)):
        with pytest.raises(ValueError, match=f"ids are {values.dtype}: make them integers of 64 bits"):
            Vocabulary(values)
    with pytest.raises(ValueError, match="needs more than 64 bits"):
        Vocabulary([1 << 63])


def test_one_long_text_among_integers_takes_no_memory_for_each_of_them() -> None:
    vocabulary, asked = Vocabulary(INTEGERS), [*range(100), "x" * 100_000]
    tracemalloc.start()
    rows = vocabulary.look_up(asked)[1]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert rows.tolist() == [vocabulary.row(raw) for raw in asked]
    assert peak < 1_000_000
