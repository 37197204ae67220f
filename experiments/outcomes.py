"""What the lists of an experiment earned, added up by the database: a row a version and day, whatever was stored."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

from sqlalchemy import (
    JSON,
    Connection,
    Integer,
    Select,
    Text,
    and_,
    case,
    cast,
    func,
    literal,
    or_,
    select,
    text,
    union_all,
)

from feedback.database import without_time_limit
from feedback.experiments import TEAM_A, Experiment
from feedback.store import Store
from feedback.tables import LIKES, events, impressions

from .sequential import Counts, Versions

PAIRED = "paired"  # beside the versions: B less A


def outcomes(store: Store, experiment: Experiment, metric: str, until: int, step: int) -> list[Versions]:
    """The counts of A and B after each ``step`` seconds since the start; the last ones at ``until`` (exclusive).

    ``metric``: "click" or "like" (a like, a purchase, or a rating above ``like_above``). ``until``: seconds since 1970.

    **Attribution**: an event counts for the latest list that its user was shown, by any model, with its movie, in the
    ``window`` before the event. If that list is not of this experiment, the event counts for none. A movie of a list
    counts once, however often it is clicked. In an interleaved list it counts for the version that it came from.
    Raises StoreDown.
    """

    def read(connection: Connection) -> list[Any]:
        without_time_limit(connection)
        return list(connection.execute(_query(experiment, metric, until, step, connection.dialect.name)))

    looks = -(-(until - experiment.started) // step)
    names = (experiment.a, experiment.b, *([PAIRED] if experiment.interleave else []))
    grown = {name: [Counts()] * looks for name in names}
    for version, look, *terms in store.run(read, reads_only=True):
        grown[version][look] = Counts(*map(int, terms))
    return [Versions(*look) for look in zip(*(accumulate(by_look, _plus) for by_look in grown.values()), strict=True)]


def _plus(one: Counts, other: Counts) -> Counts:
    return Counts(*map(sum, zip(one, other, strict=True)))


def _query(experiment: Experiment, metric: str, until: int, step: int, dialect: str) -> Select[Any]:
    """By how much each sum grew in each step: version, step (from 0), and the fields of ``Counts``.

    A user's part of a sum of squares grows from ``(N - n)^2`` to ``N^2`` in a step with ``n`` new lists.
    """

    def step_of(timestamp: Any) -> Any:
        return (timestamp - experiment.started) // step

    of_experiment = (
        select(impressions)
        .where(
            impressions.c.experiment == experiment.id,
            _is_counted(experiment),
            impressions.c.timestamp.between(experiment.started, until - 1),
        )
        .cte("of_experiment")
    )
    takes_part = events.c.user_id.in_(select(of_experiment.c.user_id))
    counted = _counted(experiment, metric, until, dialect).where(takes_part).cte("counted")
    of = of_experiment.c
    shown = step_of(of.timestamp).label("step"), literal(1).label("n"), literal(0).label("c")
    earned = select(of.user_id).join(counted, counted.c.list == of.id)
    step_then = step_of(counted.c.timestamp)
    if experiment.interleave:  # each list is one of A, one of B, and one of the pair
        names = experiment.a, experiment.b, PAIRED
        lists = [select(of.user_id, literal(name).label("version"), *shown) for name in names]
        movie = _movies_of(of.movies, dialect)
        is_a = _team(of, movie, dialect) == TEAM_A
        earned = earned.join(movie, cast(movie.c.value, Text) == counted.c.movie_id)
        events_then = [
            earned.add_columns(case((is_a, experiment.a), else_=experiment.b), step_then, literal(0), literal(1)),
            earned.add_columns(literal(PAIRED), step_then, literal(0), case((is_a, -1), else_=1)),
        ]
    else:
        lists = [select(of.user_id, of.version, *shown)]
        events_then = [earned.add_columns(of.version, step_then, literal(0), literal(1))]
    new = union_all(*lists, *events_then).subquery("new")
    by_user = new.c.user_id, new.c.version, new.c.step
    n, c = func.sum(new.c.n), func.sum(new.c.c)
    until_then = {"partition_by": by_user[:2], "order_by": new.c.step}
    users = (
        select(*by_user, n.label("n"), c.label("c"))
        .add_columns(func.sum(n).over(**until_then).label("all_n"), func.sum(c).over(**until_then).label("all_c"))
        .group_by(*by_user)
        .cte("users")
    )
    n, c, all_n, all_c = users.c.n, users.c.c, users.c.all_n, users.c.all_c
    before_n, before_c = all_n - n, all_c - c
    grown = (
        case((before_n == 0, 1), else_=0),
        n,
        c,
        all_n * all_n - before_n * before_n,
        all_n * all_c - before_n * before_c,
        all_c * all_c - before_c * before_c,
    )
    return select(users.c.version, users.c.step, *map(func.sum, grown)).group_by(users.c.version, users.c.step)


def _counted(experiment: Experiment, metric: str, until: int, dialect: str) -> Select[Any]:
    """A row a list and movie that was clicked: ``list`` (its id, NULL for events of no list) and the first time."""
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
        .label("list")
    )
    return (
        select(latest, events.c.movie_id, func.min(events.c.timestamp).label("timestamp"))
        .where(events.c.timestamp.between(experiment.started, until - 1), _is_of(metric, experiment))
        .group_by(latest, events.c.movie_id)
    )


def _movies_of(column: Any, dialect: str) -> Any:
    """The ids in a JSON list, as rows with ``value``, and ``place`` from 1 (PostgreSQL) or ``key`` from 0."""
    if dialect == "postgresql":
        texts = func.json_array_elements_text(cast(column, JSON))
        return texts.table_valued("value", with_ordinality="place").render_derived()
    return func.json_each(column).table_valued("value", "key")


def _team(lists: Any, movie: Any, dialect: str) -> Any:
    """Whose a movie (``_movies_of``) of an interleaved list is."""
    place = movie.c.place if dialect == "postgresql" else movie.c.key + 1
    return func.substr(lists.teams, cast(place, Integer), 1)


def _is_counted(experiment: Experiment) -> Any:
    """Whether a list of the experiment came as it should."""
    if experiment.interleave:
        return impressions.c.teams.is_not(None)
    return impressions.c.version.in_([experiment.a, experiment.b])


def _is_of(metric: str, experiment: Experiment) -> Any:
    if metric == "click":
        return events.c.type == "click"
    is_high = and_(events.c.type == "rating", events.c.rating > experiment.like_above)
    return or_(events.c.type.in_(LIKES), is_high)
