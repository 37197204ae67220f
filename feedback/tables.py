"""The tables of the store. ``migrations/`` makes them; a test compares the two."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

TYPES = ("rating", "like", "click", "purchase")
LIKES = ("like", "purchase")  # the types that say, without a number, that a movie was liked

metadata = MetaData()

# SQLite numbers its rows by itself only where the column's type is INTEGER.
_Number = BigInteger().with_variant(Integer, "sqlite")

# Ids are texts here, whatever they are in a log: 196 is "196". ``id`` grows in the order in which events were stored.
events = Table(
    "events",
    metadata,
    Column("id", _Number, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("movie_id", Text, nullable=False),
    Column("type", Text, nullable=False),  # one of TYPES
    Column("rating", Float),  # of the type "rating" alone
    Column("timestamp", BigInteger, nullable=False),  # when it happened: seconds since 1970
    Column("received", BigInteger, nullable=False),  # when it came in
    Column("key", Text, nullable=False),
    # An event that is sent twice is stored once. A key is its user's, so that nobody can take that of another.
    UniqueConstraint("user_id", "key", name="events_once"),
)
Index("events_of_user", events.c.user_id, events.c.timestamp)
NO_CLICK = text("type <> 'click'")
Index("tastes_of_user", events.c.user_id, events.c.timestamp, sqlite_where=NO_CLICK, postgresql_where=NO_CLICK)

# A row is a list that somebody was shown.
impressions = Table(
    "impressions",
    metadata,
    Column("id", _Number, primary_key=True),
    Column("user_id", Text),  # NULL: somebody new, or a list of similar movies
    Column("movie_id", Text),  # whose similar movies they are; NULL for recommendations
    Column("model", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("timestamp", BigInteger, nullable=False),
    Column("movies", Text, nullable=False),  # JSON: the ids in the order of their positions
    Column("explored", Text),  # JSON: the positions, from 0, of those from exploration; NULL where there are none
    Column("experiment", BigInteger),  # experiments.id, where one has chosen the version; NULL elsewhere
    Column("teams", Text),  # of an interleaved list: for each position "a" or "b", whose version it came from
)
Index("impressions_of_user", impressions.c.user_id, impressions.c.timestamp)
_of_any = text("experiment IS NOT NULL")
Index("impressions_of_experiment", impressions.c.experiment, sqlite_where=_of_any, postgresql_where=_of_any)

# A row is two versions of a model that are compared on live users.
experiments = Table(
    "experiments",
    metadata,
    Column("id", _Number, primary_key=True),
    Column("model", Text, nullable=False),
    Column("a", Text, nullable=False),  # the version that most users get
    Column("b", Text, nullable=False),  # the version that ``share`` of the users get, or get with a
    Column("share", Float, nullable=False),
    Column("salt", Text, nullable=False),  # with a user's id, it decides who gets b
    Column("metric", Text, nullable=False),  # what decides: METRICS of experiments.py
    Column("like_above", Float, nullable=False),  # a higher rating is a like
    Column("window", BigInteger, nullable=False),  # seconds after a list in which an event counts for it
    Column("effect", Float, nullable=False),  # the relative difference that the test finds soonest
    Column("started", BigInteger, nullable=False),  # seconds since 1970, as the next
    Column("stopped", BigInteger),  # NULL: it runs
    Column("interleave", Boolean, nullable=False, server_default=false()),  # the share gets lists of both versions
)
_running = text("stopped IS NULL")
Index("experiment_running", experiments.c.model, unique=True, sqlite_where=_running, postgresql_where=_running)
