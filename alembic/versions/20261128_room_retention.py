"""Events of rooms that are forgotten keep their number and their sender's id of them, and lose what they said."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "20261128_room_retention"
down_revision = "20261128_index_generations"
branch_labels = None
depends_on = None

KEPT = sa.text("data IS NOT NULL")


def upgrade() -> None:
    op.alter_column("room_events", "data", existing_type=postgresql.JSONB(), nullable=True)
    op.drop_index("ix_room_events_created_at_room_id", table_name="room_events")
    op.create_index(
        "ix_room_events_kept", "room_events", ["created_at", "room_id"], unique=False, postgresql_where=KEPT
    )


def downgrade() -> None:
    op.execute("DELETE FROM room_events WHERE data IS NULL")
    op.drop_index("ix_room_events_kept", table_name="room_events")
    op.create_index("ix_room_events_created_at_room_id", "room_events", ["created_at", "room_id"], unique=False)
    op.alter_column("room_events", "data", existing_type=postgresql.JSONB(), nullable=False)
