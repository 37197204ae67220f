"""The tables of the store. ``migrations/`` makes them; a test compares the two."""

from sqlalchemy import BigInteger, Column, Float, Index, Integer, MetaData, Table, Text, UniqueConstraint

TYPES = ("rating", "like", "click", "purchase")
LIKES = ("like", "purchase")  # what a recommender that learns from likes takes as one

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
)
Index("impressions_of_user", impressions.c.user_id)
