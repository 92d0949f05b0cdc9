"""When a login session's refresh token was last exchanged."""

import sqlalchemy as sa

from alembic import op

revision = "20261123_login_sessions"
down_revision = "2026_11_23_erasures"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("login_sessions", sa.Column("rotated_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("login_sessions", "rotated_at")
