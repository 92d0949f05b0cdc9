"""The tables, as SQLAlchemy Core sees them.

Every table of a workspace carries `workspace_id`, and its children point at their parent through
(workspace_id, parent id): a row cannot belong to a parent of another workspace, and row-level security needs
to look at one column only. Constraint names follow the convention below; the ones that callers see in
`AlreadyExists` are constants.
"""

from typing import Any, Final

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, BIGINT, JSONB

UQ_USERS_EMAIL: Final = "uq_users_email"
UQ_COLLECTIONS_NAME: Final = "uq_collections_workspace_id_name"
UQ_DOCUMENTS_SHA256: Final = "uq_documents_collection_sha256"
PK_MEMBERSHIPS: Final = "pk_memberships"

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


def _id(name: str = "id", **options: Any) -> Column[Any]:
    return Column(name, Uuid, nullable=False, **options)


def _text(name: str, *, nullable: bool = False) -> Column[str]:
    return Column(name, Text, nullable=nullable)


def _moment(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


def _version() -> Column[int]:
    return Column("version", Integer, nullable=False)


def _workspace() -> Column[Any]:
    return Column("workspace_id", Uuid, ForeignKey("workspaces.id", ondelete="CASCADE"), nullable=False)


users = Table(
    "users",
    metadata,
    _id(primary_key=True),
    _text("email"),
    _text("name"),
    _text("password_hash"),
    _moment("created_at"),
    _moment("disabled_at", nullable=True),
    UniqueConstraint("email", name=UQ_USERS_EMAIL),
    Index("ix_users_created_at_id", "created_at", "id"),
)

login_sessions = Table(
    "login_sessions",
    metadata,
    _id(primary_key=True),
    Column("user_id", Uuid, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("token_hash", LargeBinary, nullable=False),
    _text("device"),
    _moment("created_at"),
    _moment("last_used_at"),
    _moment("expires_at"),
    _moment("revoked_at", nullable=True),
    _moment("rotated_at", nullable=True),
    UniqueConstraint("token_hash"),
    Index("ix_login_sessions_user_id_created_at", "user_id", "created_at"),
)

spent_tokens = Table(
    "spent_tokens",
    metadata,
    Column("token_hash", LargeBinary, nullable=False),
    Column("session_id", Uuid, ForeignKey("login_sessions.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("spent_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    PrimaryKeyConstraint("token_hash", "session_id"),
    Index("ix_spent_tokens_spent_at", "spent_at"),
)

workspaces = Table(
    "workspaces",
    metadata,
    _id(primary_key=True),
    _text("name"),
    _version(),
    _moment("created_at"),
    _moment("deleted_at", nullable=True),
)

memberships = Table(
    "memberships",
    metadata,
    _workspace(),
    Column("user_id", Uuid, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("role", SmallInteger, nullable=False),
    _moment("joined_at"),
    PrimaryKeyConstraint("workspace_id", "user_id", name=PK_MEMBERSHIPS),
    CheckConstraint("role BETWEEN 1 AND 4", name="role"),
    Index("ix_memberships_user_id_joined_at", "user_id", "joined_at"),
)

collections = Table(
    "collections",
    metadata,
    _id(primary_key=True),
    _workspace(),
    _text("name"),
    _text("description"),
    _text("visibility"),
    Column("is_default", Boolean, nullable=False),
    _version(),
    _moment("created_at"),
    UniqueConstraint("workspace_id", "name", name=UQ_COLLECTIONS_NAME),
    UniqueConstraint("workspace_id", "id"),
    CheckConstraint("visibility IN ('workspace', 'restricted')", name="visibility"),
    Index("ix_collections_workspace_id_created_at_id", "workspace_id", "created_at", "id"),
    Index("uq_collections_default", "workspace_id", unique=True, postgresql_where=text("is_default")),
)

collection_members = Table(
    "collection_members",
    metadata,
    _workspace(),
    _id("collection_id"),
    _id("user_id"),
    PrimaryKeyConstraint("collection_id", "user_id"),
    ForeignKeyConstraint(
        ["workspace_id", "collection_id"], ["collections.workspace_id", "collections.id"], ondelete="CASCADE"
    ),
    ForeignKeyConstraint(  # who leaves the workspace leaves its collections
        ["workspace_id", "user_id"], ["memberships.workspace_id", "memberships.user_id"], ondelete="CASCADE"
    ),
    Index("ix_collection_members_workspace_id_user_id", "workspace_id", "user_id"),
)

api_keys = Table(
    "api_keys",
    metadata,
    _id(primary_key=True),
    _workspace(),
    _id("user_id"),
    _text("name"),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("collection_ids", ARRAY(Uuid)),
    _text("prefix"),
    Column("token_hash", LargeBinary, nullable=False),
    _moment("created_at"),
    _moment("expires_at", nullable=True),
    _moment("last_used_at", nullable=True),
    UniqueConstraint("token_hash"),
    ForeignKeyConstraint(  # a member's keys go with the member
        ["workspace_id", "user_id"], ["memberships.workspace_id", "memberships.user_id"], ondelete="CASCADE"
    ),
    Index("ix_api_keys_workspace_id_created_at_id", "workspace_id", "created_at", "id"),
    Index("ix_api_keys_workspace_id_user_id", "workspace_id", "user_id"),
)

invitations = Table(
    "invitations",
    metadata,
    _id(primary_key=True),
    _workspace(),
    _text("email"),
    Column("role", SmallInteger, nullable=False),
    _id("invited_by"),
    Column("token_hash", LargeBinary, nullable=False),
    _moment("created_at"),
    _moment("expires_at"),
    UniqueConstraint("token_hash"),
    UniqueConstraint("workspace_id", "email"),
    CheckConstraint("role BETWEEN 1 AND 4", name="role"),
    ForeignKeyConstraint(
        ["workspace_id", "invited_by"], ["memberships.workspace_id", "memberships.user_id"], ondelete="CASCADE"
    ),
    Index("ix_invitations_workspace_id_created_at_id", "workspace_id", "created_at", "id"),
    Index("ix_invitations_workspace_id_invited_by", "workspace_id", "invited_by"),
)

documents = Table(
    "documents",
    metadata,
    _id(primary_key=True),
    _workspace(),
    _id("collection_id"),
    _text("title"),
    _text("filename"),
    _text("media_type"),
    Column("size", BIGINT, nullable=False),
    _text("sha256"),
    _text("file_key"),
    _text("status"),
    _text("stage", nullable=True),
    Column("progress", Float, nullable=False),
    _text("failure_code", nullable=True),
    _text("failure_message", nullable=True),
    Column("page_count", Integer),
    Column("chunk_count", Integer, nullable=False),
    _text("language", nullable=True),
    Column("tags", ARRAY(Text), nullable=False),
    Column("metadata", JSONB, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("live_revision", Integer),
    _version(),
    _id("created_by"),
    _moment("created_at"),
    _moment("updated_at"),
    _moment("deleted_at", nullable=True),
    # case-folded by us, so that order and search do not depend on the server's locale
    Column("title_key", Text(collation="C"), nullable=False),
    Column("search_key", Text(collation="C"), nullable=False),
    UniqueConstraint("workspace_id", "id"),
    ForeignKeyConstraint(["workspace_id", "collection_id"], ["collections.workspace_id", "collections.id"]),
    CheckConstraint("status IN ('queued', 'processing', 'ready', 'failed')", name="status"),
    Index(
        UQ_DOCUMENTS_SHA256,
        "collection_id",
        "sha256",
        unique=True,
        postgresql_where=text("deleted_at IS NULL"),
    ),
    Index(
        "ix_documents_workspace_id_created_at_id",
        "workspace_id",
        "created_at",
        "id",
        postgresql_where=text("deleted_at IS NULL"),
    ),
    Index(
        "ix_documents_workspace_id_title_key_id",
        "workspace_id",
        "title_key",
        "id",
        postgresql_where=text("deleted_at IS NULL"),
    ),
    Index(
        "ix_documents_unfinished",
        "updated_at",
        postgresql_where=text("deleted_at IS NULL AND status IN ('queued', 'processing')"),
    ),
    Index("ix_documents_tags", "tags", postgresql_using="gin"),
    Index("ix_documents_tombstones", "workspace_id", "deleted_at", postgresql_where=text("deleted_at IS NOT NULL")),
)

erasures = Table(  # points at nothing: a receipt outlives document and workspace
    "erasures",
    metadata,
    _id("document_id", primary_key=True),
    _id("workspace_id"),
    _moment("deleted_at"),
    _moment("vectors_at"),
    _moment("files_at"),
    _moment("caches_at"),
    _moment("chunks_at"),
)

chunks = Table(
    "chunks",
    metadata,
    _id(primary_key=True),
    _workspace(),
    _id("document_id"),
    Column("revision", Integer, nullable=False),
    Column("ordinal", Integer, nullable=False),
    _text("text"),
    Column("char_from", Integer, nullable=False),
    Column("char_to", Integer, nullable=False),
    Column("page_from", Integer),
    Column("page_to", Integer),
    Column("heading_path", ARRAY(Text), nullable=False),
    Column("token_count", Integer, nullable=False),
    Column("boxes", JSONB, nullable=False),  # [[page, [[left, top, right, bottom], …]], …]
    Column("page_starts", JSONB, nullable=False),  # [[page, code point in text], …]
    Column("generation", Integer, nullable=False, server_default=text("1")),  # of the index
    UniqueConstraint("document_id", "revision", "generation", "ordinal"),
    ForeignKeyConstraint(
        ["workspace_id", "document_id"], ["documents.workspace_id", "documents.id"], ondelete="CASCADE"
    ),
)

pages = Table(
    "pages",
    metadata,
    _workspace(),
    _id("document_id"),
    Column("revision", Integer, nullable=False),
    Column("number", Integer, nullable=False),
    Column("char_from", Integer, nullable=False),
    Column("char_to", Integer, nullable=False),
    Column("width", Float, nullable=False),
    Column("height", Float, nullable=False),
    Column("spans", JSONB, nullable=False),  # [[from, to, left, top, right, bottom], …]
    _text("text"),
    Column("generation", Integer, nullable=False, server_default=text("1")),  # of the index
    PrimaryKeyConstraint("document_id", "revision", "generation", "number"),
    ForeignKeyConstraint(
        ["workspace_id", "document_id"], ["documents.workspace_id", "documents.id"], ondelete="CASCADE"
    ),
)
