"""``python -m examples.music``: what listeners played and how often; what they play often shows their taste."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from training.data.choices import choices

from . import planted

GENRES = ("ambient", "folk", "hip hop", "house", "jazz", "metal", "pop", "soul")
BANDS = (
    "The Paper Silver Northern Quiet Electric Velvet Lost",
    "Foxes Harbours Parade Engines Sisters Lanterns Tigers",
)
TRACKS = (
    "The My Your One",
    "Slow Golden Bright Broken Distant Little Last",
    "River Morning Signal Summer Mirror Avenue Winter",
)
FAVOURITES, TIMES = 2, 20.0  # genres that a listener chooses so many times as often as others, when they choose
BY_CHANCE = 0.5  # the share of tracks that a listener did not choose: the radio played what is popular, once or twice
LAST_SECOND, DAYS = 1_795_000_000, 60


@dataclass(frozen=True, eq=False)
class Music:
    """The files' tables, and what was planted: ``liked`` (bool [listeners, genres])."""

    plays: pd.DataFrame
    tracks: pd.DataFrame
    liked: np.ndarray


def generate(
    seed: int = 0, listeners: int = 2_000, artists: int = 120, tracks: int = 900, pairs: int = 50_000
) -> Music:
    """A listener's track is chosen, by their favourite genres, or came by chance; chosen ones are played more often."""
    rng = np.random.default_rng(seed)
    genre_of_artist = rng.integers(0, len(GENRES), artists)
    artist = rng.permutation(np.arange(tracks) % artists)
    popularity = rng.lognormal(0, 0.8, artists)[artist] * rng.lognormal(0, 0.8, tracks)
    preference = planted.favourites(rng, listeners, len(GENRES), FAVOURITES, TIMES)
    activity = rng.lognormal(0, 0.5, listeners)
    who = rng.choice(listeners, pairs, p=activity / activity.sum())
    by_chance = rng.random(pairs) < BY_CHANCE
    at_work = np.where(by_chance[:, None], 1.0, preference[who])
    what = choices(rng, at_work, genre_of_artist[artist], popularity)
    plays = np.where(by_chance, rng.integers(1, 3, pairs), 1 + rng.geometric(0.08, pairs))
    when = LAST_SECOND - rng.integers(0, DAYS * 86_400, pairs)
    log = pd.DataFrame({"listener": who, "track": what, "plays": plays, "last_played": when})
    log = log.groupby(["listener", "track"], as_index=False).agg({"plays": "sum", "last_played": "max"})
    ids, names = planted.numbered("t-", tracks), np.array(planted.phrases(rng, artists, *BANDS), object)
    table = pd.DataFrame(
        {
            "track": ids,
            "title": planted.phrases(rng, tracks, *TRACKS),
            "artist": names[artist],
            "genre": np.array(GENRES, object)[genre_of_artist[artist]],
            "minutes": rng.normal(3.8, 0.9, tracks).clip(1.5, 9).round(1),
        }
    )
    people = planted.numbered("listener-", listeners)
    log = log.assign(listener=people[log["listener"]], track=ids[log["track"]])
    return Music(log, table, preference > 1)


if __name__ == "__main__":
    music = generate()
    planted.write(planted.FOLDER / "music", plays=music.plays, tracks=music.tracks)
