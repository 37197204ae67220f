"""``python -m examples.news``: the clicks of a news site; ``--next-hour``: its next hour, with stories that are new."""

from __future__ import annotations

import argparse
import dataclasses
import json
from dataclasses import dataclass

import numpy as np
import pandas as pd

from archives.store import replacing
from training.data.choices import choices

from . import planted

WORDS = {
    "business": ("Bank Airline Factory Startup Port", "cuts buys opens sells", "jobs rival plant shares"),
    "culture": ("Museum Festival Theatre Gallery Choir", "shows finds awards", "painting film poem opera"),
    "health": ("Hospital Clinic Nurse Study Ministry", "tests warns-of explains", "vaccine sleep diet virus"),
    "local": ("Council Mayor School Bridge Market", "opens closes plans repairs", "road library park tram"),
    "politics": ("Parliament Minister Party Court Senate", "debates rejects passes", "budget law treaty tax"),
    "science": ("Probe Team Telescope Lab Whale", "maps measures reveals", "comet reef genome galaxy"),
    "sport": ("Striker Champion Club Coach Team", "wins loses leaves", "final derby league title"),
    "weather": ("Storm Frost Heatwave Fog Flood", "nears leaves slows", "coast valley city hills"),
}
SECTIONS = np.array(list(WORDS), object)
FAVOURITES, TIMES = 2, 8.0  # sections of which a reader reads so many times as much
FADES = 6.0  # hours after which a story is clicked half as often
FIRST_SECOND, HOUR = 1_794_009_600, 3_600  # a whole hour
HOURS = 7 * 24
STORIES = 4  # that are new each hour


@dataclass(frozen=True, eq=False)
class News:
    """The files' tables, and what was planted.

    ``preference`` float64 [readers, sections]: what readers prefer. ``appeal`` float64 [stories]: of each story.
    """

    clicks: pd.DataFrame
    stories: pd.DataFrame
    preference: np.ndarray
    appeal: np.ndarray


def generate(hours: int = HOURS, *, seed: int = 0, readers: int = 2_000, clicks: int = 250) -> News:
    """So many hours from the first one, with about so many clicks in each; more hours begin with the same ones.

    A reader clicks a story with a probability proportional to its appeal, to its freshness, which halves every
    ``FADES`` hours, and to what the reader prefers; and never again.
    """
    rng = np.random.default_rng(seed)
    preference = planted.favourites(rng, readers, len(SECTIONS), FAVOURITES, TIMES)
    activity = rng.lognormal(0, 0.7, readers)
    section, appeal, titles, of_hours = np.empty(0, int), np.empty(0), [], []
    for hour in range(hours):
        rng = np.random.default_rng([seed, hour])
        fresh = rng.integers(0, len(SECTIONS), STORIES)
        section, appeal = np.append(section, fresh), np.append(appeal, rng.lognormal(0, 0.8, STORIES))
        titles += [planted.phrases(rng, 1, *WORDS[SECTIONS[place]])[0].replace("-", " ") for place in fresh]
        age = hour - np.arange(len(section)) // STORIES
        who = rng.choice(readers, clicks, p=activity / activity.sum())
        what = choices(rng, preference[who], section, appeal * 0.5 ** (age / FADES))
        when = np.sort(FIRST_SECOND + hour * HOUR + rng.integers(0, HOUR, clicks))
        of_hours.append(pd.DataFrame({"reader": who, "story": what, "clicked_at": when}))
    table = pd.concat(of_hours).drop_duplicates(["reader", "story"], ignore_index=True)
    people, ids = planted.numbered("reader-", readers), planted.numbered("story-", len(section))
    released = FIRST_SECOND + np.arange(len(section)) // STORIES * HOUR
    return News(
        table.assign(reader=people[table["reader"]], story=ids[table["story"]]),
        pd.DataFrame({"story": ids, "title": titles, "section": SECTIONS[section], "released": released}),
        preference,
        appeal,
    )


def known_at(hour: int) -> News:
    """What the site has at the beginning of an hour: the clicks before it, and the stories, those of this hour too."""
    more = generate(hour + 1)
    before = more.clicks["clicked_at"] < FIRST_SECOND + hour * HOUR
    return dataclasses.replace(more, clicks=more.clicks[before])


def events_of(clicks: pd.DataFrame) -> dict[str, list[dict[str, object]]]:
    """Clicks as the body of ``POST /api/feedback``."""
    columns = {"reader": "user_id", "story": "item_id", "clicked_at": "timestamp"}
    return {"events": clicks.rename(columns=columns).assign(type="click").to_dict("records")}


def main() -> None:
    """Write what is known after the week; or the stories an hour later, and that hour's clicks as events."""
    parser = argparse.ArgumentParser(prog="python -m examples.news", description=__doc__)
    parser.add_argument("--next-hour", action="store_true", help="one hour more of stories, and its clicks as events")
    folder = planted.FOLDER / "news"
    if not parser.parse_args().next_hour:
        week = known_at(HOURS)
        planted.write(folder, clicks=week.clicks, stories=week.stories)
        return
    more = known_at(HOURS + 1)
    is_next = more.clicks["clicked_at"] >= FIRST_SECOND + HOURS * HOUR
    planted.write(folder, stories=more.stories)
    with replacing(folder / "events.json") as staged:
        staged.write_text(json.dumps(events_of(more.clicks[is_next])))
    print(f"wrote {folder / 'events.json'}: {is_next.sum():,} events")


if __name__ == "__main__":
    main()
