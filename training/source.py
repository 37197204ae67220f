"""The options of the command line that say which log it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from .data import RatingsLog, load, with_events
from .data.weights import weighing


@dataclass(frozen=True)
class Source:
    """Where the ratings come from."""

    data: str | None = None
    """ml-100k (which it is where nothing is given), ml-1m, ml-latest-small, synthetic, synthetic:1m (5m, 25m, 100m), or
    a ratings file's path."""
    ratings: Path | None = None
    """In place of --data, your ratings: CSV, CSV.gz or Parquet with user_id, movie_id (or item_id)[, rating][,
    timestamp][, weight]."""
    users: Path | None = None
    """Your users: a file with user_id and side features."""
    movies: Annotated[Path | None, tyro.conf.arg(aliases=["--items"])] = None
    """Your movies: a file with movie_id (or item_id), title, year, genres and other columns."""
    columns: str = ""
    """Names of columns in these files: user=customer,item=sku,time=bought_at; rating=stars, or weight=count and
    event=action; title=name, of the movies."""
    item_name: str = ""
    """What one item is called on the page, in the report and in messages: product, or story,stories."""
    show: str = ""
    """Columns of the movies file, separated by commas, that answers show and lists can be narrowed by (where)."""
    features: str = ""
    """Columns of these files that are side features, separated by commas (the usual ones by default)."""
    events: str | None = None
    """A store of events that join the log: its URL, or EVENTS_URL for this variable (or else events/events.db)."""
    event_weights: str = ""
    """What events of likes weigh by their type, as purchase=5,click=1; other types weigh what is usual."""
    half_life_days: float | None = None
    """Days after which a like counts half."""

    def load(self) -> RatingsLog:
        """The log."""
        log = load(
            self.data,
            ratings=self.ratings,
            users=self.users,
            movies=self.movies,
            features=_names(self.features),
            by=weighing(self.event_weights, self.half_life_days),
            columns=self.columns,
            item_name=self.item_name,
            show=_names(self.show),
        )
        return log if self.events is None else with_events(log, self.events)


USUAL = Source()


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())
