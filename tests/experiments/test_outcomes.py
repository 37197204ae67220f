"""An event counts for the latest list with its movie: by cases, and against a loop over all events."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from experiments.outcomes import outcomes
from experiments.sequential import Counts
from feedback.experiments import Experiment, start
from feedback.store import Event, Impression, Store
from tests.feedback.conftest import NOW

LATER = NOW + 10**6
LONG = 10**7  # seconds: one step


def shown(user: str | None, at: int, movies: list[int | str], of: int | None, version: str = "1.0") -> Impression:
    return Impression(user, None, "fm", version, NOW + at, movies, of)


def did(user: str, at: int, movie: int | str, kind: str = "click", rating: float | None = None) -> Event:
    return Event(user, str(movie), kind, rating, NOW + at, NOW + at, f"{at} {movie} {kind} {random.random()}")


def clicks(store: Store, experiment: Experiment, until: int = LATER) -> int:
    return outcomes(store, experiment, "click", until, LONG)[-1][0].c


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (did("u", 0, 5), 1),
        (did("u", 3600, 5), 1),
        (did("u", 3601, 5), 0),  # after the window
        (did("u", -1, 5), 0),  # before the list
        (did("u", 10, 7), 0),  # a movie that was not shown
        (did("v", 10, 5), 0),  # somebody else
        (did("u", 10, "x"), 1),  # an id that is a text
        (did("u", 10, 5, "like"), 0),  # something else
    ],
)
def test_which_events_count_for_a_list(store: Store, experiment: Experiment, event: Event, expected: int) -> None:
    store.add_impressions([shown("u", 0, [4, 5, "x"], experiment.id)])
    store.add_events([[event]])
    assert clicks(store, experiment) == expected


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (did("u", 1, 5, "like"), 1),
        (did("u", 1, 5, "purchase"), 1),
        (did("u", 1, 5, "rating", 3.5), 1),
        (did("u", 1, 5, "rating", 3.0), 0),
        (did("u", 1, 5, "click"), 0),
    ],
)
def test_what_a_like_is(store: Store, experiment: Experiment, event: Event, expected: int) -> None:
    store.add_impressions([shown("u", 0, [5], experiment.id)])
    store.add_events([[event]])
    assert outcomes(store, experiment, "like", LATER, LONG)[-1][0].c == expected


def test_an_event_counts_once_and_for_the_latest_list_alone(store: Store, experiment: Experiment) -> None:
    store.add_impressions([shown("u", 0, [5], experiment.id), shown("u", 10, [5, 6], experiment.id)])
    store.add_events([[did("u", 20, 5), did("u", 21, 5), did("u", 22, 6)]])
    counts = outcomes(store, experiment, "click", LATER, LONG)[-1][0]
    assert (counts.users, counts.n, counts.c) == (1, 2, 2)


def test_a_later_list_of_another_model_takes_the_event(store: Store, experiment: Experiment) -> None:
    store.add_impressions([shown("u", 0, [5], experiment.id), shown("u", 10, [5], None)])
    store.add_events([[did("u", 20, 5)]])
    assert clicks(store, experiment) == 0


def test_lists_of_no_experiment_of_another_one_and_of_nobody_are_not_counted(
    store: Store, experiment: Experiment
) -> None:
    store.add_impressions([shown("u", 0, [5], None), shown("v", 0, [5], experiment.id + 1), shown(None, 0, [5], None)])
    store.add_events([[did("u", 1, 5), did("v", 1, 5)]])
    assert outcomes(store, experiment, "click", LATER, LONG) == [(Counts(), Counts(), None)]


def test_what_comes_after_the_moment_is_not_counted(store: Store, experiment: Experiment) -> None:
    store.add_impressions([shown("u", 0, [5, 6], experiment.id), shown("u", 100, [7], experiment.id)])
    store.add_events([[did("u", 1, 5), did("u", 50, 6), did("u", 101, 7)]])
    assert [clicks(store, experiment, NOW + at) for at in (1, 2, 50, 51, 200)] == [0, 1, 1, 2, 3]
    assert outcomes(store, experiment, "click", NOW + 50, LONG)[0][0].n == 1


def test_the_sums_are_those_of_a_loop(store: Store, experiment: Experiment) -> None:
    draw = random.Random(0)
    users = [f"user {number}" for number in range(30)]
    lists = []
    for user in draw.choices(users, range(30), k=300):
        of = draw.choice([experiment.id, experiment.id, None])
        movies = draw.sample(range(12), 4)
        lists.append(shown(user, draw.randrange(20_000), movies, of, experiment.version_of(user)))
    events = [did(draw.choice(users), draw.randrange(22_000), draw.randrange(12)) for _ in range(900)]
    store.add_impressions(lists)
    store.add_events([events])
    credited = set()
    for event in events:
        candidates = [
            (one.timestamp, place)
            for place, one in enumerate(lists)
            if one.user_id == event.user_id and int(event.movie_id) in one.movies
            and 0 <= event.timestamp - one.timestamp <= experiment.window
        ]  # fmt: skip
        if candidates and lists[max(candidates)[1]].experiment:
            credited.add((max(candidates)[1], event.movie_id))
    n = Counter(one.user_id for one in lists if one.experiment)
    c = Counter(lists[place].user_id for place, _ in credited)
    for version, found in zip("AB", outcomes(store, experiment, "click", LATER, 1000)[-1]):
        of = [user for user in n if experiment.version_of(user) == getattr(experiment, version.lower())]
        pairs = [(n[user], c[user]) for user in of]
        assert len(of) > 5
        assert found == Counts(
            len(of), sum(x for x, _ in pairs), sum(y for _, y in pairs),
            sum(x * x for x, _ in pairs), sum(x * y for x, y in pairs), sum(y * y for _, y in pairs),
        )  # fmt: skip
    by_step = outcomes(store, experiment, "click", NOW + 15_500, 1000)
    assert len(by_step) == 16
    moments = [NOW + 1000 * step for step in range(1, 16)] + [NOW + 15_500]
    assert by_step == [outcomes(store, experiment, "click", moment, LONG)[0] for moment in moments]


def test_an_event_on_an_interleaved_list_counts_for_the_version_of_its_position(store: Store) -> None:
    one = start(store, Experiment("fm", "1.0", "1.1", 1, "s", "click", 3, 3600, 0.1, NOW, interleave=True))
    lists = [shown(user, 0, [5, 6, 7], one.id)._replace(teams="aba") for user in "uv"]
    store.add_impressions([*lists, shown("w", 0, [5], one.id)])  # w's came from one version alone
    store.add_events([[did("u", 1, 5), did("u", 2, 7), did("u", 3, 6), did("v", 4, 6), did("w", 5, 5)]])
    a, b, paired = outcomes(store, one, "click", LATER, LONG)[-1]
    assert (a, b) == (Counts(2, 2, 2, 2, 2, 4), Counts(2, 2, 2, 2, 2, 2))
    assert paired == Counts(2, 2, 0, 2, 0, 2)  # u: one more of A, v: one more of B
