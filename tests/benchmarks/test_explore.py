"""Both kinds of lists are measured, with exploration and without."""

from __future__ import annotations

from benchmarks.explore import measure


def test_both_kinds_of_lists_are_measured() -> None:
    found = measure(items=3000, rounds=2)
    assert set(found) == {"for a user", "for nobody"}
    assert all(plain > 0 and explored > 0 for plain, explored in found.values())
