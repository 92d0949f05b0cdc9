"""The log of who did what: it only grows, whoever asks."""

import sqlalchemy as sa

from alembic import op

revision = "20261123_audit"
down_revision = "20261123_idempotency"
branch_labels = None
depends_on = None

ROLE = "readingroom_app"
WORKSPACE = "(SELECT nullif(current_setting('app.workspace_id', true), '')::uuid)"
MEMBERS = "SELECT user_id FROM memberships"  # whose own policy holds here too
REFUSE = """
CREATE FUNCTION audit_log_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log only grows' USING ERRCODE = 'insufficient_privilege';
END
$$
"""


def upgrade() -> None:
    op.create_table(
        "audit_log",
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deed", sa.Text(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=True),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("api_key_id", sa.Uuid(), nullable=True),
        sa.Column("resource_id", sa.Uuid(), nullable=True),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit_log")),
    )
    op.create_index("ix_audit_log_workspace_id_number", "audit_log", ["workspace_id", "number"], unique=False)
    for column in ("user_id", "resource_id"):
        op.create_index(
            f"ix_audit_log_{column}_number",
            "audit_log",
            [column, "number"],
            unique=False,
            postgresql_where=sa.text("workspace_id IS NULL"),
        )
    op.execute("ALTER TABLE audit_log ENABLE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY audit_log_of_workspace ON audit_log FOR SELECT TO {ROLE} "
        f"USING (workspace_id = {WORKSPACE} OR "
        f"(workspace_id IS NULL AND (user_id IN ({MEMBERS}) OR resource_id IN ({MEMBERS}))))"
    )
    op.execute(
        f"CREATE POLICY audit_log_written ON audit_log FOR INSERT TO {ROLE} WITH CHECK (workspace_id = {WORKSPACE})"
    )
    op.execute(f"GRANT SELECT, INSERT ON audit_log TO {ROLE}")
    op.execute(REFUSE)
    op.execute(
        "CREATE TRIGGER audit_log_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_log_only_grows()"
    )


def downgrade() -> None:
    op.drop_table("audit_log")  # its trigger, policies and grants go with it
    op.execute("DROP FUNCTION audit_log_only_grows()")
