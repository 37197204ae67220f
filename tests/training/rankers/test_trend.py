"""What is popular of late: by hand, and in a log whose movies are planted to come and go."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

from training.config import preset
from training.data import RatingsLog, split
from training.interactions import Interactions, encode
from training.metrics.ranking import measure
from training.rankers import ease
from training.rankers.trend import POWER, following, share_of_late, trend_of

SETTINGS = dataclasses.replace(
    preset("quick", "mf"),
    list_ridges=(100.0,),
    list_dampings=(0.0,),
    list_factors=(16,),
    list_half_lives=(0.0, 7.0, 30.0),
)
DAY = 86_400


def of_rows(movies: list[int], days: list[int] | None) -> Interactions:
    table = {"user_id": range(len(movies)), "movie_id": movies}
    if days is not None:
        table["timestamp"] = [DAY * day for day in days]
    return encode(RatingsLog("hand-made", pd.DataFrame(table)), False)


def test_a_movie_that_is_more_popular_than_it_was_counts_more() -> None:
    # At a half-life of 10 days the rows weigh 1/4, 1/4, 1/2, 1: movie 1 has 1/2, as many as movie 2 in the whole log.
    found = trend_of(of_rows([1, 1, 2, 2], [0, 0, 10, 20]), 10).numpy()
    assert found[1:] == pytest.approx([((0.5 + 1) / (1 + 1)) ** POWER, ((1.5 + 1) / (1 + 1)) ** POWER])
    assert found[0] == 1


def test_a_share_that_stays_the_same_is_no_trend() -> None:
    assert trend_of(of_rows([1, 2, 1, 2], [0, 0, 50, 50]), 3).numpy() == pytest.approx(1)
    assert trend_of(of_rows([1, 1, 2], [7, 7, 7]), 3).numpy() == pytest.approx(1)


def test_of_rows_that_are_too_old_to_count_nothing_is_known() -> None:
    one_in_the_far_future = trend_of(of_rows([1, 1, 2, 2, 2, 3], [0, 0, 0, 1, 1, 1_000_000]), 7).numpy()
    assert np.isfinite(one_in_the_far_future).all()
    assert one_in_the_far_future[1:3].min() > 0.5


def test_the_share_of_late_is_one_for_what_is_new_and_nothing_for_what_is_old() -> None:
    shares = share_of_late(of_rows([1, 1, 2, 3, 3], [1000, 1000, 0, 990, 1000]), 10)
    assert shares == pytest.approx([0, 1, 0, 0.75])


def test_without_timestamps_and_at_no_half_life_there_is_none() -> None:
    assert share_of_late(of_rows([1, 2], None), 7) is share_of_late(of_rows([1, 2], [0, 9]), 0) is None
    assert trend_of(of_rows([1, 2], None), 7) is None
    assert trend_of(of_rows([1, 2], [0, 9]), 0) is None


@pytest.fixture(scope="module")
def coming_and_going() -> RatingsLog:
    """300 users with 24 rows each over 120 days; a movie's share of the rows rises or falls by up to e^3 meanwhile."""
    rng = np.random.default_rng(0)
    users, movies, rows = 300, 80, 24
    trend, taste = rng.uniform(-3, 3, movies), rng.normal(size=(users, 4)) @ rng.normal(size=(4, movies)) / 2
    table = []
    for user in range(users):
        left = np.ones(movies, bool)
        for day in np.sort(rng.uniform(0, 120, rows)):
            share = np.exp(taste[user] + trend * (day / 120 - 0.5)) * left
            movie = rng.choice(movies, p=share / share.sum())
            left[movie] = False
            table.append((user, movie, int(day * DAY)))
    return RatingsLog("planted", pd.DataFrame(table, columns=["user_id", "movie_id", "timestamp"]))


def fitted(log: RatingsLog, how: str, half_lives: tuple[float, ...]) -> tuple[float, float]:
    """The half-life that the validation rows choose, and the test's NDCG@10."""
    everything, parts = encode(log, False), split(log, how, seed=0)
    train, validation, test = parts.take(everything)
    chosen, _ = ease.choose(train, validation, dataclasses.replace(SETTINGS, list_half_lives=half_lives))
    both = everything.take(np.union1d(parts.train, parts.validation))
    return chosen.list_half_lives[0], measure(ease.order(ease.fit(both, chosen), both), both, test)["ndcg@10"]


def test_where_movies_come_and_go_lists_of_the_next_days_are_better_by_it(coming_and_going) -> None:
    half_life, with_trend = fitted(coming_and_going, "time", (0.0, 7.0, 30.0))
    _, without = fitted(coming_and_going, "time", (0.0,))
    assert half_life > 0
    assert with_trend > 1.2 * without


def test_a_random_split_chooses_none(coming_and_going) -> None:
    assert fitted(coming_and_going, "random", (0.0, 7.0, 30.0)) == fitted(coming_and_going, "random", (0.0,))


@pytest.mark.parametrize(
    ("of_users", "half_life"),
    [([0.3, 0.3, 0.3, 0.3], 7.0), ([1.0, 0.0, 0.0, -0.2], 0.0), ([0.5], 0.0)],
    ids=["a gain of everybody", "a gain of one user in four", "one user"],
)
def test_what_may_be_chance_chooses_none(coming_and_going, monkeypatch, of_users, half_life) -> None:
    train, validation, _ = split(coming_and_going, "time", 0).take(encode(coming_and_going, False))
    found = iter([0.2, 0.3, 0.3])  # without trend, with it, and then of the one number of factors
    both = iter([np.array(of_users), np.zeros(len(of_users))])
    monkeypatch.setattr(ease, "measure", lambda *_: {"ndcg@10": next(found)})
    monkeypatch.setattr(ease, "ndcg_of_users", lambda *_: next(both))
    chosen, _ = ease.choose(
        train, validation, dataclasses.replace(SETTINGS, list_half_lives=(0.0, 7.0), list_strengths=(1.0,))
    )
    assert chosen.list_half_lives == (half_life,)


def test_the_same_history_gives_the_same_list(coming_and_going) -> None:
    everything = encode(coming_and_going, False)
    settings = dataclasses.replace(SETTINGS, list_half_lives=(7.0,))
    ranker = ease.fit(everything, settings)
    rows = everything.user_rows == 1
    nobody = everything.users.features[:1], everything.users.weights[:1]
    history = [(everything.movie_rows[rows], everything.ratings[rows])]
    new = ranker.score_all(ranker.encode_users(history, *map(torch.from_numpy, nobody)))
    known = ease.order(ranker, everything)(np.array([1]))
    assert new.numpy() == pytest.approx(known.numpy(), abs=1e-5)
    plain = ease.fit(everything, dataclasses.replace(SETTINGS, list_half_lives=(0.0,)))
    assert following(plain, trend_of(everything, 7.0)).items.numpy() == pytest.approx(ranker.items.numpy())
