"""The tables of rooms; see `adapters.postgres.tables` for what holds for all."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import BIGINT, JSONB

from adapters.postgres.tables import metadata
from application.ports.rooms import UQ_CLIENT_MSG_ID

# No index holds `last_seq`: raising it stays a change within the page (heap-only tuple).
rooms = Table(
    "rooms",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("workspace_id", Uuid, ForeignKey("workspaces.id", ondelete="CASCADE"), nullable=False),
    Column("name", Text, nullable=False),
    Column("visibility", Text, nullable=False),
    Column("epoch", Uuid, nullable=False),
    Column("last_seq", BIGINT, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_by", Uuid, ForeignKey("users.id", ondelete="SET NULL"), nullable=True, index=True),
    Column("created_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("workspace_id", "id"),
    CheckConstraint("visibility IN ('workspace', 'restricted')", name="visibility"),
    Index("ix_rooms_workspace_id_created_at_id", "workspace_id", "created_at", "id"),
)

room_members = Table(
    "room_members",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("room_id", Uuid, nullable=False),
    Column("user_id", Uuid, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("added_at", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("room_id", "user_id"),
    ForeignKeyConstraint(["workspace_id", "room_id"], ["rooms.workspace_id", "rooms.id"], ondelete="CASCADE"),
)

room_events = Table(
    "room_events",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("room_id", Uuid, nullable=False),
    Column("seq", BIGINT, nullable=False),
    Column("kind", Text, nullable=False),
    Column("sender_id", Uuid, nullable=True),
    Column("sender_name", Text, nullable=False),
    Column("client_msg_id", Uuid, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("data", JSONB, nullable=True),  # NULL, which is not JSON's null: forgotten
    Column("created_at", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("room_id", "seq"),
    UniqueConstraint("room_id", "client_msg_id", name=UQ_CLIENT_MSG_ID),
    ForeignKeyConstraint(["workspace_id", "room_id"], ["rooms.workspace_id", "rooms.id"], ondelete="CASCADE"),
    Index("ix_room_events_kept", "created_at", "room_id", postgresql_where=text("data IS NOT NULL")),
)
