"""The users that keep the version before: what is started and stopped, and when lists show harm."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from autopilot.errors import AutopilotError
from autopilot.holdout import Holdout, Measure
from feedback import experiments as stored
from feedback.experiments import Experiment
from feedback.store import Event, Impression, Store


@pytest.fixture
def store(events: str) -> Iterator[Store]:
    with closing(Store(events)) as opened:
        opened.add_events([])
        yield opened


@pytest.fixture
def holdout(store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Holdout]:
    monkeypatch.setattr("autopilot.holdout.secrets.token_hex", lambda _: "salt")  # the same users each time
    with closing(Holdout(Measure(), "fm", "1.1", "1.0")) as made:
        yield made


def people(store: Store, new: float, before: float, users: int = 400) -> None:
    """Each user is shown two lists by the version that is theirs, and clicks with the probability of the version."""
    experiment, rng, now = stored.running(store)["fm"], random.Random(0), int(time.time())
    shown, clicks = [], []
    for user in map(str, range(users)):
        version = experiment.version_of(user)
        for number in range(2):
            shown.append(Impression(user, None, "fm", version, now, [number], experiment.id))
            if rng.random() < (new if version == "1.1" else before):
                clicks.append(Event(user, str(number), "click", None, now, now, f"{number}"))
    store.add_impressions(shown)
    store.add_events([clicks])


def test_the_new_version_is_what_most_get_and_the_one_before_what_a_share_keeps(store: Store, holdout: Holdout) -> None:
    holdout.start()
    running = stored.running(store)["fm"]
    assert (running.a, running.b, running.share, running.metric) == ("1.1", "1.0", 0.5, "click")
    holdout.start()
    assert stored.running(store)["fm"].id == running.id, "a run that was killed goes on with the same users"
    holdout.stop()
    holdout.stop()
    assert not stored.running(store)


@pytest.mark.parametrize(
    ("new", "before", "found"),
    [(0.1, 0.4, True), (0.4, 0.1, False), (0.25, 0.25, False)],
    ids=["worse", "better", "as"],
)
def test_lists_that_earn_less_are_harm(
    store: Store, holdout: Holdout, monkeypatch: pytest.MonkeyPatch, new: float, before: float, found: bool
) -> None:
    holdout.start()
    assert holdout.harm() is None
    people(store, new, before)
    real = time.time()
    monkeypatch.setattr("autopilot.holdout.time.time", lambda: real + 5)  # an event counts when its second is over
    why = holdout.harm()
    assert bool(why) == found, why
    if why:
        assert why.startswith("its lists earn 0.1")
        assert "clicks each, those of 1.0 0." in why


def test_few_users_show_nothing(store: Store, holdout: Holdout, monkeypatch: pytest.MonkeyPatch) -> None:
    holdout.start()
    people(store, 0.0, 1.0, users=40)
    real = time.time()
    monkeypatch.setattr("autopilot.holdout.time.time", lambda: real + 5)
    assert holdout.harm() is None


def test_an_experiment_of_somebody_else_is_left_alone(store: Store, holdout: Holdout) -> None:
    stored.start(store, Experiment("fm", "1.0", "0.9", 0.1, "salt", "click", 3.0, 3600, 0.1, 1))
    with pytest.raises(AutopilotError, match=r"an experiment with fm 1\.0 and 0\.9 runs: end it first \(make exp"):
        holdout.check()
    holdout.start()
    holdout.stop()
    assert stored.running(store)["fm"].b == "0.9"
    assert holdout.harm() is None


def test_without_a_share_nobody_keeps_the_version_before(store: Store) -> None:
    with closing(Holdout(replace(Measure(), share=0.0), "fm", "1.1", "1.0")) as made:
        made.check()
        made.start()
        assert not stored.running(store)
        assert made.harm() is None
        stored.start(store, Experiment("fm", "1.0", "0.9", 0.1, "salt", "click", 3.0, 3600, 0.1, 1))
        assert made.needed() == ("1.0", "0.9")
        with pytest.raises(AutopilotError, match="end it first"):
            made.check()


def test_without_a_store_nobody_keeps_the_version_before(tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("EVENTS_URL", raising=False)
    monkeypatch.setattr("feedback.blocks.DEFAULT_URL", f"sqlite:///{tmp_path}/none.db")
    made = Holdout(Measure(), "fm", "1.1", "1.0")
    made.check()
    made.start()
    assert made.harm() is None
    made.stop()
    made.close()
    assert not list(tmp_path.iterdir())
