"""Experiments, and which of them a list belongs to."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_Number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_RUNNING = sa.text("stopped IS NULL")
_OF_ANY = sa.text("experiment IS NOT NULL")


def upgrade() -> None:
    """Make the table, and the column of impressions."""
    op.create_table(
        "experiments",
        sa.Column("id", _Number, primary_key=True),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("a", sa.Text, nullable=False),
        sa.Column("b", sa.Text, nullable=False),
        sa.Column("share", sa.Float, nullable=False),
        sa.Column("salt", sa.Text, nullable=False),
        sa.Column("metric", sa.Text, nullable=False),
        sa.Column("like_above", sa.Float, nullable=False),
        sa.Column("window", sa.BigInteger, nullable=False),
        sa.Column("effect", sa.Float, nullable=False),
        sa.Column("started", sa.BigInteger, nullable=False),
        sa.Column("stopped", sa.BigInteger),
    )
    op.create_index(
        "experiment_running", "experiments", ["model"], unique=True, sqlite_where=_RUNNING, postgresql_where=_RUNNING
    )
    op.add_column("impressions", sa.Column("experiment", sa.BigInteger))
    op.create_index(
        "impressions_of_experiment", "impressions", ["experiment"], sqlite_where=_OF_ANY, postgresql_where=_OF_ANY
    )
    op.drop_index("impressions_of_user", "impressions")
    op.create_index("impressions_of_user", "impressions", ["user_id", "timestamp"])


def downgrade() -> None:
    """Drop the table and the column, with all that is in them."""
    op.drop_index("impressions_of_user", "impressions")
    op.create_index("impressions_of_user", "impressions", ["user_id"])
    op.drop_index("impressions_of_experiment", "impressions")
    op.drop_column("impressions", "experiment")
    op.drop_table("experiments")
