"""Experiments that merge the lists of both versions, and which version each movie of such a list came from."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the columns."""
    op.add_column("experiments", sa.Column("interleave", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("impressions", sa.Column("teams", sa.Text))


def downgrade() -> None:
    """Drop the columns, with all that is in them."""
    op.drop_column("impressions", "teams")
    op.drop_column("experiments", "interleave")
