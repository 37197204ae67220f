"""Events and impressions."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_Number = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "events",
        sa.Column("id", _Number, primary_key=True),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("movie_id", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("rating", sa.Float),
        sa.Column("timestamp", sa.BigInteger, nullable=False),
        sa.Column("received", sa.BigInteger, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.UniqueConstraint("user_id", "key", name="events_once"),
    )
    op.create_index("events_of_user", "events", ["user_id", "timestamp"])
    op.create_table(
        "impressions",
        sa.Column("id", _Number, primary_key=True),
        sa.Column("user_id", sa.Text),
        sa.Column("movie_id", sa.Text),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("timestamp", sa.BigInteger, nullable=False),
        sa.Column("movies", sa.Text, nullable=False),
    )
    op.create_index("impressions_of_user", "impressions", ["user_id"])


def downgrade() -> None:
    """Drop both tables, with all that is in them."""
    op.drop_table("impressions")
    op.drop_table("events")
