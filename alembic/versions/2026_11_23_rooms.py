"""Rooms, who is listed in them, and their events."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "2026_11_23_rooms"
down_revision = "20261123_answer_runs"
branch_labels = None
depends_on = None

ROLE = "readingroom_app"
WORKSPACE = "(SELECT nullif(current_setting('app.workspace_id', true), '')::uuid)"
TABLES = ("rooms", "room_members", "room_events")


def upgrade() -> None:
    op.create_table(
        "rooms",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("visibility", sa.Text(), nullable=False),
        sa.Column("epoch", sa.Uuid(), nullable=False),
        sa.Column("last_seq", sa.BIGINT(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("visibility IN ('workspace', 'restricted')", name=op.f("ck_rooms_visibility")),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_rooms_workspace_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_rooms_created_by"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rooms")),
        sa.UniqueConstraint("workspace_id", "id", name=op.f("uq_rooms_workspace_id_id")),
    )
    op.create_index(op.f("ix_rooms_created_by"), "rooms", ["created_by"], unique=False)
    op.create_index("ix_rooms_workspace_id_created_at_id", "rooms", ["workspace_id", "created_at", "id"], unique=False)
    op.create_table(
        "room_members",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("room_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "room_id"],
            ["rooms.workspace_id", "rooms.id"],
            name=op.f("fk_room_members_workspace_id_room_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_room_members_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("room_id", "user_id", name=op.f("pk_room_members")),
    )
    op.create_index(op.f("ix_room_members_user_id"), "room_members", ["user_id"], unique=False)
    op.create_table(
        "room_events",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("room_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BIGINT(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("sender_id", sa.Uuid(), nullable=True),
        sa.Column("sender_name", sa.Text(), nullable=False),
        sa.Column("client_msg_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("data", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "room_id"],
            ["rooms.workspace_id", "rooms.id"],
            name=op.f("fk_room_events_workspace_id_room_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("room_id", "seq", name=op.f("pk_room_events")),
        sa.UniqueConstraint("room_id", "client_msg_id", name="uq_room_events_room_id_client_msg_id"),
    )
    op.create_index("ix_room_events_created_at_room_id", "room_events", ["created_at", "room_id"], unique=False)
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY {table}_of_workspace ON {table} TO {ROLE} "
            f"USING (workspace_id = {WORKSPACE}) WITH CHECK (workspace_id = {WORKSPACE})"
        )
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {ROLE}")


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
