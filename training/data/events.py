"""A log together with what people did since: the events of the gateway's store (``feedback/``)."""

from __future__ import annotations

import dataclasses
import logging
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from feedback.blocks import Columns, read_blocks, url_of
from feedback.database import URLError, without_password
from feedback.store import StoreDown
from feedback.tables import LIKES, TYPES
from training.data import pairs, weights
from training.data.ids import WHOLE, are_texts
from training.data.log import DataError, EventsUsed, RatingsLog, are_categories
from training.progress import stage

logger = logging.getLogger(__name__)


@stage("reading the events")
def with_events(log: RatingsLog, store: str) -> RatingsLog:
    """The log with the events of a store as further rows, in the order of their times; of a pair the latest row stays.

    Ratings join a log of ratings, likes and purchases a log of likes alone; where the rows of that have types, events
    of all types that weigh something (``log.weighing``). Of likes the row that stays weighs what all rows of its pair
    weigh together. Where the log has no timestamps every event is later than it. ``store``: a URL, or ``EVENTS_URL``
    (``feedback.blocks.url_of``).

    Raises DataError for a store that cannot be read, for an id of another type than the log's, and for a rating outside
    of the log's scale; the message names the event.
    """
    try:
        url = url_of(store)
        table = None if url is None else _read(log, url)
    except URLError as error:
        raise DataError(str(error).replace("EVENTS_URL", "--events")) from None
    except StoreDown as error:
        raise DataError(
            f"the store of events cannot be read: {error}",
            file=without_password(url),
            remedy="Start its server, correct the URL, or leave --events out (to make: EVENTS=)",
        ) from error
    if table is None:
        return log
    used = EventsUsed(len(table), pc.max(table["id"]).as_py())
    events = table.to_pandas().sort_values("timestamp", kind="stable")
    if not events["movie_id"].isin(_unique(log.ratings["movie_id"])).any():
        logger.warning(
            "%s: no %s of its events is in %s; is it another log's?", without_password(url), log.words.one, log.name
        )
    joined, others = _latest(log.ratings, events[list(log.ratings)]) if log.has_ratings else _together(log, events)
    return dataclasses.replace(log, ratings=joined, earlier=_both(log.earlier, others), events=used)


def _read(log: RatingsLog, url: str) -> pa.Table | None:
    """The events that count for ``log``, in its types and the order of their ids; None where there are none."""
    form = _Form(
        without_password(url),
        tuple(name for name in ("user_id", "movie_id") if not are_texts(log.ratings[name])),
        log.scale if log.has_ratings else None,
    )
    blocks = [form.typed(block) for block in read_blocks(url, _types(log))]
    return pa.concat_tables(blocks) if blocks else None


def _types(log: RatingsLog) -> tuple[str, ...]:
    known = log.weighing.events
    if log.has_ratings:
        return ("rating",)
    return LIKES if known is None else tuple(kind for kind in TYPES if known.get(kind))


@dataclass(frozen=True)
class _Form:
    """What the events of ``store`` must be: which ids are integers, and from where to where ratings are, if any."""

    store: str
    integers: tuple[str, ...]
    scale: tuple[float, float] | None

    def typed(self, block: Columns) -> pa.Table:
        """A block in the log's types. Raises DataError for what does not fit the log."""
        columns = {"id": pa.array(block.id, pa.int64()), "timestamp": pa.array(block.timestamp, pa.int64())}
        columns["event"] = pa.array(block.type).dictionary_encode()
        for name in ("user_id", "movie_id"):
            columns[name] = pa.array(getattr(block, name), pa.large_string())
            if name in self.integers:
                is_other = pc.invert(pc.match_substring_regex(columns[name], f"^{WHOLE}$"))
                self._refuse(is_other, block, name, "is not an integer", "The log's ids are integers")
                columns[name] = columns[name].cast(pa.int64())
        if self.scale:
            low, high = self.scale
            ratings = pa.array(block.rating, pa.float32())
            is_outside = pc.fill_null(pc.or_(pc.less(ratings, low), pc.greater(ratings, high)), True)
            bounds = f"The log's ratings are from {low:g} to {high:g}"
            self._refuse(is_outside, block, "rating", "is no rating of the log's scale", bounds)
            columns["rating"] = ratings
        return pa.table(columns)

    def _refuse(self, bad: pa.BooleanArray, block: Columns, name: str, problem: str, remedy: str) -> None:
        """Raises DataError for the first event of which ``bad`` [n] is true, if there is one."""
        place = pc.index(bad, True).as_py()
        if place >= 0:
            raise DataError(
                problem,
                file=f"{self.store}, event {block.id[place]}",
                column=name,
                value=getattr(block, name)[place],
                remedy=f"{remedy}. Give the store of this log, or leave --events out (to make: EVENTS=)",
            )


def _together(log: RatingsLog, events: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """What ``weights.summed`` gives of both. ``events`` are in the order of time."""
    by, columns = log.weighing, [name for name in log.ratings if name != "weight"]
    ours, every = log.ratings[columns], np.ones(len(log), bool)
    both = pd.DataFrame({name: _appended(ours[name], every, events[name]) for name in columns}, copy=False)
    events = events if by.events else events.drop(columns="event")
    weighed = np.concatenate([weights.of_rows(rows, by, log.name) for rows in (log.ratings, events)])
    if by.half_life:  # the weights of the log are those at its end
        ends = pd.concat([ours["timestamp"].clip(lower=ours["timestamp"].max()), events["timestamp"]])
        weighed *= weights.decay(ends, by)
    return weights.summed(both, weighed)


def _latest(ratings: pd.DataFrame, events: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """The latest row of each pair of both, of equally late ones the event; and the others (``pairs.earlier``).

    ``events`` are in the order of time.
    """
    times = [table["timestamp"] for table in (ratings, events) if "timestamp" in table]
    found = np.concatenate(pairs.keys(ratings, events))
    stays = pairs.latest(found, np.concatenate(times) if times else None)
    kept, is_new = stays[: len(ratings)], stays[len(ratings) :]
    both = {name: _appended(ratings[name], kept, events[name][is_new]) for name in ratings}
    return pd.DataFrame(both, copy=False), _both(pairs.earlier(ratings, kept), pairs.earlier(events, is_new))


def _both(first: pd.DataFrame | None, second: pd.DataFrame | None) -> pd.DataFrame | None:
    """The rows of two tables with the same columns, as far as there are such tables."""
    there = [table for table in (first, second) if table is not None]
    return pd.concat(there, ignore_index=True) if there else None


def _appended(column: pd.Series, kept: np.ndarray, more: pd.Series) -> pd.Series:
    """The ``kept`` (bool [n]) values of a column, and ``more`` behind them; categories stay categories."""
    if are_categories(column):
        known = column.cat.categories
        new = pd.Index(more.unique()).difference(known, sort=False).astype(known.dtype)
        more = pd.Categorical(more, known.append(new))
        codes = np.concatenate([column.cat.codes.to_numpy()[kept].astype(np.int32), more.codes.astype(np.int32)])
        return pd.Series(pd.Categorical.from_codes(codes, more.categories, validate=False))
    column = column if kept.all() else column[kept]
    return pd.concat([column, more.astype(column.dtype)], ignore_index=True)


def _unique(ids: pd.Series) -> pd.Index | pd.Series:
    return ids.cat.categories if are_categories(ids) else ids
