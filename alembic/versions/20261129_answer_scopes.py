"""What an answer may read is kept with its run, for other answers to the same question."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "20261129_answer_scopes"
down_revision = "20261128_keys_of_nobody"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("answer_runs", sa.Column("scope", postgresql.JSONB(), nullable=True))


def downgrade() -> None:
    op.drop_column("answer_runs", "scope")
