"""The news site: its clicks fade by the hour, and lists have what is clicked in the next one."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from examples import news
from tests.examples.conftest import Example


def test_a_longer_time_begins_with_the_same_hours() -> None:
    short, longer = news.generate(5), news.generate(6)
    assert longer.clicks.head(len(short.clicks)).equals(short.clicks)
    assert longer.stories.head(len(short.stories)).equals(short.stories)
    assert len(longer.stories) == len(short.stories) + news.STORIES


def test_a_story_fades_in_hours_and_is_not_read_before_it_is_out() -> None:
    made = news.generate()
    read = made.clicks.merge(made.stories)
    age = (read["clicked_at"] - read["released"]) / news.HOUR
    assert age.min() >= 0
    early, late = age.between(2, 4).sum(), age.between(2 + news.FADES, 4 + news.FADES).sum()
    assert 0.4 < late / early < 0.6


def test_readers_click_their_favourite_sections() -> None:
    made = news.generate()
    read = made.clicks.merge(made.stories)
    rows = read["reader"].str.removeprefix("reader-").astype(int).to_numpy() - 1
    columns = read["section"].map(list(news.SECTIONS).index)
    assert (made.preference[rows, columns] > 1).mean() > 0.6  # two of eight


def test_events_are_a_body_of_the_gateway() -> None:
    made = news.generate(1)
    (event, *_) = json.loads(json.dumps(news.events_of(made.clicks)))["events"]
    assert event.keys() == {"user_id", "item_id", "timestamp", "type"}
    assert event["item_id"] in set(made.stories["story"])


@pytest.fixture(scope="module")
def week() -> news.News:
    return news.known_at(news.HOURS)


Lists = dict[str, list[str]]  # story ids by reader


def next_click(made: news.News, lists: Lists) -> float:
    """The chance that a reader's next click is on a story of their list.

    The mean over readers of what was planted, so no noise of a few clicks.
    """
    return float(np.mean([chances(made, reader)[stories].sum() for reader, stories in lists.items()]))


def chances(made: news.News, reader: str) -> pd.Series:
    """The chance of each story, by its id, that it is the reader's next click; their sum is 1."""
    stories = made.stories
    section = stories["section"].map(list(news.SECTIONS).index).to_numpy()
    age = (stories["released"].max() - stories["released"].to_numpy()) / news.HOUR
    preference = made.preference[int(reader.removeprefix("reader-")) - 1, section]
    chance = pd.Series(preference * made.appeal * 0.5 ** (age / news.FADES), stories["story"].to_numpy())
    chance[made.clicks["story"][made.clicks["reader"] == reader]] = 0
    return chance / chance.sum()


def first_unread(made: news.News, order: np.ndarray, readers: list[str]) -> Lists:
    """For each reader the first ten stories of an order, without those that they have read."""
    read = made.clicks.groupby("reader")["story"].agg(set)
    return {reader: [story for story in order if story not in read.get(reader, set())][:10] for reader in readers}


def best_of(made: news.News, reader: str) -> list[str]:
    """The ten stories with the largest planted chance."""
    return chances(made, reader).nlargest(10).index.tolist()


def test_lists_have_more_of_the_next_clicks_than_other_orders(of_news: Example, week: news.News) -> None:
    """More than the newest stories, and than what was clicked most in any number of the last hours."""
    readers = [f"reader-{number:03d}" for number in range(1, 301)]
    asked = {reader: of_news.ask({"user_id": reader})["recommendations"] for reader in readers}
    ours = next_click(week, {reader: [one["item_id"] for one in entries] for reader, entries in asked.items()})
    orders = {"newest": week.stories["story"].to_numpy()[::-1]}
    for hours in (1, 2, 3, 6, 12, 24):
        late = week.clicks["clicked_at"] >= news.FIRST_SECOND + (news.HOURS - hours) * news.HOUR
        orders[f"popular in the last {hours} hours"] = week.clicks["story"][late].value_counts().index.to_numpy()
    others = {name: next_click(week, first_unread(week, order, readers)) for name, order in orders.items()}
    rule = next_click(week, {reader: best_of(week, reader) for reader in readers})
    print({"ours": ours, "rule": rule} | others)
    assert ours > 1.2 * max(others.values())
    assert ours > 1.6 * others["newest"]
    assert ours > 0.8 * rule
