"""What is kept of conversations and the answers in them."""

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, BIGINT, JSONB

from adapters.postgres.tables import _id, _moment, _text, _version, _workspace, metadata

conversations = Table(
    "conversations",
    metadata,
    _id(primary_key=True),
    _workspace(),
    Column("created_by", Uuid, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    _text("title", nullable=True),
    Column("collection_ids", ARRAY(Uuid), nullable=False),
    _text("instructions", nullable=True),
    _text("model", nullable=True),
    _version(),
    _moment("created_at"),
    _moment("updated_at"),
    UniqueConstraint("workspace_id", "id"),
    Index("ix_conversations_workspace_id_created_by_created_at_id", "workspace_id", "created_by", "created_at", "id"),
)


messages = Table(
    "messages",
    metadata,
    _id(primary_key=True),
    _workspace(),
    _id("conversation_id"),
    Column("parent_id", Uuid, ForeignKey("messages.id", ondelete="CASCADE"), nullable=True, index=True),
    _text("role"),
    _text("status"),
    _text("content"),
    Column("citations", JSONB, nullable=False),
    _text("stop_reason", nullable=True),
    _text("model", nullable=True),
    Column("usage", JSONB, nullable=False),
    Column("error", JSONB(none_as_null=True)),
    Column("created_by", Uuid, nullable=True),
    _moment("created_at"),
    _moment("completed_at", nullable=True),
    ForeignKeyConstraint(
        ["workspace_id", "conversation_id"],
        ["conversations.workspace_id", "conversations.id"],
        ondelete="CASCADE",
    ),
    CheckConstraint("role IN ('user', 'assistant')", name="role"),
    Index("ix_messages_conversation_id_created_at_id", "conversation_id", "created_at", "id"),
)


answer_runs = Table(
    "answer_runs",
    metadata,
    Column("message_id", Uuid, ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True),
    _workspace(),
    _id("user_id"),
    Column("outline", JSON(none_as_null=True)),  # not JSONB, which would reorder what readers are told
    Column("scope", JSONB(none_as_null=True)),
    Column("cancel_requested", Boolean, nullable=False),
    _moment("beat_at"),
    _moment("ended_at", nullable=True),
    # nothing on beat_at: a beat stays on its page
    Index("ix_answer_runs_writing", "workspace_id", "user_id", postgresql_where=text("ended_at IS NULL")),
)


feedback = Table(
    "feedback",
    metadata,
    Column("message_id", Uuid, ForeignKey("messages.id", ondelete="CASCADE"), nullable=False),
    _id("user_id"),
    _workspace(),
    _text("rating"),
    _text("comment", nullable=True),
    _moment("given_at"),
    PrimaryKeyConstraint("message_id", "user_id"),
    CheckConstraint("rating IN ('up', 'down')", name="rating"),
)


usage = Table(  # stays when the conversations go
    "usage",
    metadata,
    _workspace(),
    Column("day", Date, nullable=False),
    _id("user_id"),
    _text("model"),
    Column("answers", BIGINT, nullable=False),
    Column("input_tokens", BIGINT, nullable=False),
    Column("output_tokens", BIGINT, nullable=False),
    Column("cache_read_input_tokens", BIGINT, nullable=False),
    Column("cache_creation_input_tokens", BIGINT, nullable=False),
    PrimaryKeyConstraint("workspace_id", "day", "user_id", "model"),
)
