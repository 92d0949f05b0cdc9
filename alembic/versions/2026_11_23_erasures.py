"""Receipts of erased documents. They point at nothing, so that they outlive document and workspace."""

import sqlalchemy as sa

from alembic import op

revision = "2026_11_23_erasures"
down_revision = "0003"
branch_labels = None
depends_on = None

ROLE = "readingroom_app"
WORKSPACE = "(SELECT nullif(current_setting('app.workspace_id', true), '')::uuid)"
MOMENTS = ("deleted_at", "vectors_at", "files_at", "caches_at", "chunks_at")


def upgrade() -> None:
    op.create_table(
        "erasures",
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        *(sa.Column(name, sa.DateTime(timezone=True), nullable=False) for name in MOMENTS),
        sa.PrimaryKeyConstraint("document_id", name=op.f("pk_erasures")),
    )
    op.execute("ALTER TABLE erasures ENABLE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY erasures_of_workspace ON erasures TO {ROLE} "
        f"USING (workspace_id = {WORKSPACE}) WITH CHECK (workspace_id = {WORKSPACE})"
    )
    op.execute(f"GRANT SELECT, INSERT ON erasures TO {ROLE}")
    op.create_index(
        "ix_documents_tombstones",
        "documents",
        ["workspace_id", "deleted_at"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_documents_tombstones", table_name="documents")
    op.drop_table("erasures")
