"""An index of the events that change a list: clicks, of which there may be many more, do not."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the index."""
    where = sa.text("type <> 'click'")
    op.create_index("tastes_of_user", "events", ["user_id", "timestamp"], sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    """Drop the index."""
    op.drop_index("tastes_of_user", "events")
