"""The tables of requests: keys under which something is done once, and who did what."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    Table,
    Text,
    Uuid,
    func,
    text,
)

from adapters.postgres.tables import metadata

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("digest", LargeBinary, primary_key=True, nullable=False),
    Column("user_id", Uuid, ForeignKey("users.id", ondelete="CASCADE"), nullable=True),
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

# Of what is gone too, so no foreign keys.
audit_log = Table(
    "audit_log",
    metadata,
    Column("number", BigInteger, Identity(always=True), primary_key=True, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("deed", Text, nullable=False),
    Column("workspace_id", Uuid, nullable=True),
    Column("user_id", Uuid, nullable=True),
    Column("api_key_id", Uuid, nullable=True),
    Column("resource_id", Uuid, nullable=True),
    Column("address", Text, nullable=True),
    Column("request_id", Text, nullable=True),
    Index("ix_audit_log_workspace_id_number", "workspace_id", "number"),
    Index("ix_audit_log_user_id_number", "user_id", "number", postgresql_where=text("workspace_id IS NULL")),
    Index("ix_audit_log_resource_id_number", "resource_id", "number", postgresql_where=text("workspace_id IS NULL")),
)
