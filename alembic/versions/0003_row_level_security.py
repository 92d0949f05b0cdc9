"""What a transaction of one workspace may see and write, held by Postgres itself.

Such transactions run as the role `readingroom_app`, which owns nothing and cannot log in; policies let it touch only
rows of the workspace that the setting `app.workspace_id` names, and none where the setting is missing. The owner of
the tables, as whom log-in and maintenance run, is not held by them.
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ROLE = "readingroom_app"
MEMBERS = "SELECT user_id FROM memberships"  # whose own policy holds here too
# (SELECT …): once a statement, not once a row
WORKSPACE = "(SELECT nullif(current_setting('app.workspace_id', true), '')::uuid)"
COLUMNS = {
    "workspaces": "id",
    "memberships": "workspace_id",
    "collections": "workspace_id",
    "collection_members": "workspace_id",
    "documents": "workspace_id",
    "chunks": "workspace_id",
    "pages": "workspace_id",
    "conversations": "workspace_id",
    "messages": "workspace_id",
}

# A role belongs to the whole server: another database's migration may have made it, at this very moment too.
CREATE_ROLE = f"""
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{ROLE}') THEN
        CREATE ROLE {ROLE} NOLOGIN NOINHERIT;
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL;
    WHEN insufficient_privilege THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = format('the role %s may not create the role {ROLE}', quote_ident(current_user)),
            HINT = 'Let an administrator run: CREATE ROLE {ROLE} NOLOGIN NOINHERIT; '
                || format('GRANT {ROLE} TO %s;', quote_ident(current_user));
END
$$
"""
JOIN_ROLE = f"""
DO $$
BEGIN
    SET LOCAL ROLE {ROLE};
    RESET ROLE;
EXCEPTION
    WHEN insufficient_privilege THEN
        BEGIN
            EXECUTE format('GRANT {ROLE} TO %I', current_user);
        EXCEPTION
            WHEN insufficient_privilege THEN
                RAISE EXCEPTION USING
                    ERRCODE = 'insufficient_privilege',
                    MESSAGE = format('the role %s may not act as the role {ROLE}', quote_ident(current_user)),
                    HINT = format('Let an administrator run: GRANT {ROLE} TO %s;', quote_ident(current_user));
        END;
END
$$
"""


def upgrade() -> None:
    op.execute(CREATE_ROLE)
    op.execute(JOIN_ROLE)
    for table, column in COLUMNS.items():
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY {table}_of_workspace ON {table} TO {ROLE} "
            f"USING ({column} = {WORKSPACE}) WITH CHECK ({column} = {WORKSPACE})"
        )
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {ROLE}")
    op.execute("ALTER TABLE users ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY users_of_workspace ON users FOR SELECT TO {ROLE} USING (id IN ({MEMBERS}))")
    op.execute(f"GRANT SELECT ON users TO {ROLE}")
    op.execute("ALTER TABLE login_sessions ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE spent_tokens ENABLE ROW LEVEL SECURITY")
    # jobs are written by those transactions, and never read: payloads name documents of all workspaces
    op.execute(f"GRANT INSERT, SELECT (id, entrypoint, priority, dedupe_key, status) ON jobs TO {ROLE}")
    op.execute(f"GRANT INSERT ON job_log TO {ROLE}")
    op.execute(f"GRANT USAGE ON SEQUENCE jobs_id_seq, job_log_id_seq TO {ROLE}")


def downgrade() -> None:
    # the role stays: other databases of the server may use it
    op.execute(f"REVOKE ALL ON SEQUENCE jobs_id_seq, job_log_id_seq FROM {ROLE}")
    op.execute(f"REVOKE ALL ON jobs, job_log FROM {ROLE}")
    for table in ("spent_tokens", "login_sessions"):
        op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
    for table in ("users", *COLUMNS):
        op.execute(f"REVOKE ALL ON {table} FROM {ROLE}")
        op.execute(f"DROP POLICY {table}_of_workspace ON {table}")
        op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
