"""The tables of requests: keys under which something is done once."""

from sqlalchemy import Boolean, Column, DateTime, ForeignKey, Index, LargeBinary, Table, Uuid

from adapters.postgres.tables import metadata

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("digest", LargeBinary, primary_key=True, nullable=False),
    Column("user_id", Uuid, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("workspace_id", Uuid, ForeignKey("workspaces.id", ondelete="CASCADE"), nullable=True),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("token", Uuid, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("leased_until", DateTime(timezone=True), nullable=False),
    Column("is_done", Boolean, nullable=False),
    Column("answer", LargeBinary, nullable=True),
    Index("ix_idempotency_keys_created_at", "created_at"),
    Index("ix_idempotency_keys_user_id", "user_id"),
    Index("ix_idempotency_keys_workspace_id", "workspace_id"),
)
