"""When a refresh token was spent, so that it can be forgotten."""

import sqlalchemy as sa

from alembic import op

revision = "20261128_spent_tokens"
down_revision = "20261123_audit"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "spent_tokens",
        sa.Column("spent_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    )
    op.create_index("ix_spent_tokens_spent_at", "spent_tokens", ["spent_at"])


def downgrade() -> None:
    op.drop_index("ix_spent_tokens_spent_at", "spent_tokens")
    op.drop_column("spent_tokens", "spent_at")
