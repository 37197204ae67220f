"""What the lists of an experiment earned, added up by the database: a row a version, whatever was stored."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Connection, Select, Text, and_, cast, func, or_, select, text

from feedback.experiments import Experiment
from feedback.store import Store
from feedback.tables import LIKES, events, impressions

from .sequential import Counts


def outcomes(store: Store, experiment: Experiment, metric: str, until: int) -> dict[str, Counts]:
    """The counts of each version that was shown, from the start of the experiment until before ``until``.

    ``metric``: "click" or "like" (a like, a purchase, or a rating above ``like_above``). ``until``: seconds since 1970.

    **Attribution**: an event counts for the latest list that its user was shown, by any model, with its movie, in the
    ``window`` before the event. If that list is not of this experiment, the event counts for none. A movie of a list
    counts once, however often it is clicked. Raises StoreDown.
    """

    def read(connection: Connection) -> list[Any]:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL statement_timeout = 0"))  # a large table takes its time
        return list(connection.execute(_query(experiment, metric, until, connection.dialect.name)))

    rows = store.run(read, reads_only=True)
    return {row.version: Counts(*map(int, row[1:])) for row in rows}


def _query(experiment: Experiment, metric: str, until: int, dialect: str) -> Select[Any]:
    shown = (
        select(impressions.c.user_id, impressions.c.version, func.count().label("lists"))
        .where(impressions.c.experiment == experiment.id, impressions.c.timestamp < until)
        .group_by(impressions.c.user_id, impressions.c.version)
        .cte("shown")
    )
    lists = impressions.alias("lists")
    movie = _movies_of(lists.c.movies, dialect)
    latest = (
        select(lists.c.id)
        .select_from(lists.join(movie, text("true")))
        .where(
            lists.c.user_id == events.c.user_id,
            lists.c.timestamp.between(events.c.timestamp - experiment.window, events.c.timestamp),
            cast(movie.c.value, Text) == events.c.movie_id,
        )
        .order_by(lists.c.timestamp.desc(), lists.c.id.desc())
        .limit(1)
        .correlate(events)
        .scalar_subquery()
    )
    counted = (
        select(latest.label("list"), events.c.movie_id)
        .where(
            events.c.user_id.in_(select(shown.c.user_id)),
            events.c.timestamp.between(experiment.started, until - 1),
            _is_of(metric, experiment),
        )
        .distinct()
        .cte("counted")
    )
    earned = (
        select(impressions.c.user_id, impressions.c.version, func.count().label("events"))
        .join(counted, counted.c.list == impressions.c.id)
        .where(impressions.c.experiment == experiment.id)
        .group_by(impressions.c.user_id, impressions.c.version)
        .cte("earned")
    )
    n, c = shown.c.lists, func.coalesce(earned.c.events, 0)
    of_one = and_(earned.c.user_id == shown.c.user_id, earned.c.version == shown.c.version)
    return (
        select(shown.c.version, func.count(), *(func.sum(term) for term in (n, c, n * n, n * c, c * c)))
        .select_from(shown.outerjoin(earned, of_one))
        .group_by(shown.c.version)
    )


def _movies_of(column: Any, dialect: str) -> Any:
    """The ids in a JSON list, as rows with a column ``value``."""
    if dialect == "postgresql":
        return func.json_array_elements_text(cast(column, JSON)).table_valued("value")
    return func.json_each(column).table_valued("value")


def _is_of(metric: str, experiment: Experiment) -> Any:
    if metric == "click":
        return events.c.type == "click"
    is_high = and_(events.c.type == "rating", events.c.rating > experiment.like_above)
    return or_(events.c.type.in_(LIKES), is_high)
