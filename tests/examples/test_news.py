"""The news site: its clicks fade by the hour, and lists have what is clicked in the next one."""

from __future__ import annotations

import json

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


def test_lists_have_what_is_clicked_in_the_next_hour(of_news: Example) -> None:
    """By far more of it than what was clicked most in the week, and more than in the last six hours."""
    more, known = news.generate(news.HOURS + 1), news.generate()
    clicks = more.clicks[more.clicks["clicked_at"] >= news.FIRST_SECOND + news.HOURS * news.HOUR]
    clicks = clicks[clicks["story"].isin(known.stories["story"])]
    last = known.clicks["clicked_at"] >= known.clicks["clicked_at"].max() - 6 * news.HOUR
    popular = [rows["story"].value_counts().index[:10] for rows in (known.clicks, known.clicks[last])]
    of_week, of_late = (clicks["story"].isin(stories).mean() for stories in popular)
    hits = 0
    for reader, story in zip(clicks["reader"], clicks["story"]):
        entries = of_news.ask({"user_id": reader, "exclude_seen": False})["recommendations"]
        hits += story in [entry["item_id"] for entry in entries]
    assert hits / len(clicks) > max(3 * of_week, of_late)
