"""Who gets which version, and one experiment with a model at a time."""

from __future__ import annotations

import math
from typing import Any

import pytest

from feedback.experiments import Experiment, ExperimentError, latest, running, start, stop
from feedback.store import Store
from tests.feedback.conftest import NOW

ONE = Experiment("fm", "1.0", "1.1", 0.1, "salt", "click", 3.0, 86_400, 0.1, NOW)


def test_a_share_of_the_users_gets_b_and_always_the_same_ones() -> None:
    users = [str(number) for number in range(20_000)]
    got_b = {user for user in users if ONE.version_of(user) == "1.1"}
    assert abs(len(got_b) - 2000) < 4 * math.sqrt(20_000 * 0.1 * 0.9)
    assert {ONE.version_of(user) for user in users} == {"1.0", "1.1"}
    assert got_b == {user for user in users if ONE._replace(id=7, b="1.1").version_of(user) == "1.1"}


def test_another_salt_chooses_others_and_a_larger_share_keeps_those_who_are_chosen() -> None:
    users = [str(number) for number in range(2000)]

    def got_b(**changed: Any) -> set[str]:
        return {user for user in users if ONE._replace(**changed).version_of(user) == "1.1"}

    assert got_b() < got_b(share=0.3)
    assert abs(len(got_b(share=0.5) & got_b(share=0.5, salt="other")) - 500) < 120  # as if drawn anew


def test_somebody_without_an_id_gets_a() -> None:
    assert ONE._replace(share=0.999999).version_of(None) == "1.0"


def test_an_experiment_runs_until_it_is_stopped(store: Store) -> None:
    assert running(store) == {}
    first = start(store, ONE)
    other = start(store, ONE._replace(model="deepfm"))
    assert running(store) == {"fm": first, "deepfm": other}
    assert first == ONE._replace(id=first.id)
    ended = stop(store, "fm", NOW + 9)
    assert ended == first._replace(stopped=NOW + 9)
    assert running(store) == {"deepfm": other}
    second = start(store, ONE)
    assert second.id > first.id
    assert latest(store, "fm") == second


def test_a_second_experiment_with_a_model_is_refused(store: Store) -> None:
    start(store, ONE)
    with pytest.raises(ExperimentError, match=rf"fm runs already: 1\.0 and 1\.1 since {NOW}.* STOP=1"):
        start(store, ONE._replace(b="2.0"))
    assert running(store)["fm"].b == "1.1"


def test_what_is_not_there_cannot_be_stopped_or_found(store: Store) -> None:
    with pytest.raises(ExperimentError, match="no experiment with fm runs"):
        stop(store, "fm", NOW)
    with pytest.raises(ExperimentError, match="there was no experiment with fm"):
        latest(store, "fm")


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"b": "1.0"}, r"A and B are both 1\.0"),
        ({"a": "../mf"}, r"A is '\.\./mf'"),
        ({"b": ""}, "B is ''"),
        ({"share": 0.0}, "SHARE is 0"),
        ({"share": 1.0}, "SHARE is 1"),
        ({"share": -0.1}, r"SHARE is -0\.1"),
        ({"share": math.nan}, "SHARE is nan"),
        ({"metric": "money"}, "metric is 'money'"),
        ({"like_above": math.nan}, "limit of likes is nan"),
        ({"effect": 0.0}, "effect is 0"),
        ({"effect": math.nan}, "effect is nan"),
    ],
)
def test_a_field_out_of_range_is_named_and_nothing_is_stored(store: Store, changed: dict[str, Any], named: str) -> None:
    with pytest.raises(ExperimentError, match=named):
        start(store, ONE._replace(**changed))
    assert running(store) == {}
