"""Jobs by their flow, so that workers find the head of each without reading the queue."""

from alembic import op

revision = "2026_11_23_job_flows"
down_revision = "2026_11_23_rooms"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "CREATE INDEX jobs_flow_priority_id ON jobs (coalesce(headers ->> 'flow', ''), priority DESC, id) "
        "WHERE status = 'queued'"
    )
    op.execute("CREATE INDEX jobs_queued_id ON jobs (id) WHERE status = 'queued'")


def downgrade() -> None:
    op.execute("DROP INDEX jobs_queued_id")
    op.execute("DROP INDEX jobs_flow_priority_id")
