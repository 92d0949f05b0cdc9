"""Records of answers being written: who writes is alive, who reads can rebuild the stream."""

import sqlalchemy as sa

from alembic import op

revision = "20261123_answer_runs"
down_revision = "20261123_accounts"
branch_labels = None
depends_on = None

ROLE = "readingroom_app"
WORKSPACE = "(SELECT nullif(current_setting('app.workspace_id', true), '')::uuid)"


def upgrade() -> None:
    op.create_table(
        "answer_runs",
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("outline", sa.JSON(), nullable=True),  # not JSONB, which would reorder what readers are told
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("beat_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("fk_answer_runs_message_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_answer_runs_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_answer_runs")),
    )
    op.create_index(
        "ix_answer_runs_writing",
        "answer_runs",
        ["workspace_id", "user_id"],
        unique=False,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    # answers that were being written before have no writer that beats, and will be ended
    op.execute(
        "INSERT INTO answer_runs (message_id, workspace_id, user_id, cancel_requested, beat_at) "
        "SELECT m.id, m.workspace_id, c.created_by, false, now() FROM messages m "
        "JOIN conversations c ON c.id = m.conversation_id WHERE m.status = 'streaming'"
    )
    op.execute("ALTER TABLE answer_runs ENABLE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY answer_runs_of_workspace ON answer_runs TO {ROLE} "
        f"USING (workspace_id = {WORKSPACE}) WITH CHECK (workspace_id = {WORKSPACE})"
    )
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON answer_runs TO {ROLE}")


def downgrade() -> None:
    op.drop_table("answer_runs")
