"""Whoever registers has a key for doing it once, too, and no account yet."""

import sqlalchemy as sa

from alembic import op

revision = "20261128_keys_of_nobody"
down_revision = "20261128_room_retention"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # the policy stays: a transaction of a workspace sees the keys of that workspace, so nobody's are the owner's alone
    op.alter_column("idempotency_keys", "user_id", existing_type=sa.Uuid(), nullable=True)


def downgrade() -> None:
    op.execute("DELETE FROM idempotency_keys WHERE user_id IS NULL")
    op.alter_column("idempotency_keys", "user_id", existing_type=sa.Uuid(), nullable=False)
