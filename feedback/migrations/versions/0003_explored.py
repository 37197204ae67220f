"""Which movies of a list come from exploration."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the column."""
    op.add_column("impressions", sa.Column("explored", sa.Text))


def downgrade() -> None:
    """Drop the column, with all that is in it."""
    op.drop_column("impressions", "explored")
