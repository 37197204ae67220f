"""The measured conditions are about the columns of the items that are measured."""

from __future__ import annotations

import numpy as np

from benchmarks.where import WHERES, catalogue_of, measure
from handlers.recommender.model.query import Selection


def test_each_set_of_conditions_leaves_some_items_and_not_all() -> None:
    catalogue = catalogue_of(5000, np.random.default_rng(0))
    for name, where in WHERES.items():
        allowed = catalogue.allowed(Selection(10, where=where))
        assert (allowed is None) if name == "nothing" else 20 < allowed.sum() < 4900, name


def test_each_is_measured_both_ways() -> None:
    found = measure(items=2000, rounds=1)
    assert list(found) == list(WHERES)
    assert all(set(ways) == {"kept", "found anew"} for ways in found.values())
