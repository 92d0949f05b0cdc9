"""Rows to values of the domain and back, by hand: the domain knows no tables."""

# ruff: noqa: D103 each pair is told by its names and types

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from adapters.postgres.mapping_values import Row, Values, boxes_from_json, boxes_to_json
from domain.access import Role, Scope
from domain.answers import Citation
from domain.api_keys import ApiKey
from domain.conversations import AnswerError, Conversation, Message, MessageStatus, Speaker, Usage
from domain.ids import ChunkId, CollectionId, DocumentId
from domain.invitations import Invitation
from domain.users import LoginSession, User
from domain.workspaces import Collection, Membership, Visibility, Workspace


def user_values(user: User) -> Values:
    return {
        "id": user.id,
        "email": user.email,
        "name": user.name,
        "password_hash": user.password_hash,
        "created_at": user.created_at,
        "disabled_at": user.disabled_at,
    }


def user_from(row: Row) -> User:
    return User(
        id=row["id"],
        email=row["email"],
        name=row["name"],
        password_hash=row["password_hash"],
        created_at=row["created_at"],
        disabled_at=row["disabled_at"],
    )


def session_values(session: LoginSession) -> Values:
    return {
        "id": session.id,
        "user_id": session.user_id,
        "token_hash": session.token_hash,
        "device": session.device,
        "created_at": session.created_at,
        "last_used_at": session.last_used_at,
        "expires_at": session.expires_at,
        "revoked_at": session.revoked_at,
        "rotated_at": session.rotated_at,
    }


def session_from(row: Row, *, spent: Mapping[bytes, datetime] | None = None) -> LoginSession:
    return LoginSession(
        id=row["id"],
        user_id=row["user_id"],
        token_hash=row["token_hash"],
        spent=spent or {},
        device=row["device"],
        created_at=row["created_at"],
        last_used_at=row["last_used_at"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
        rotated_at=row["rotated_at"],
    )


def workspace_values(workspace: Workspace) -> Values:
    return {
        "id": workspace.id,
        "name": workspace.name,
        "version": workspace.version,
        "created_at": workspace.created_at,
        "deleted_at": workspace.deleted_at,
    }


def workspace_from(row: Row) -> Workspace:
    return Workspace(
        id=row["id"],
        name=row["name"],
        version=row["version"],
        created_at=row["created_at"],
        deleted_at=row["deleted_at"],
    )


def membership_values(membership: Membership) -> Values:
    return {
        "workspace_id": membership.workspace_id,
        "user_id": membership.user_id,
        "role": int(membership.role),
        "joined_at": membership.joined_at,
    }


def membership_from(row: Row) -> Membership:
    return Membership(
        workspace_id=row["workspace_id"], user_id=row["user_id"], role=Role(row["role"]), joined_at=row["joined_at"]
    )


def api_key_values(key: ApiKey) -> Values:
    return {
        "id": key.id,
        "workspace_id": key.workspace_id,
        "user_id": key.user_id,
        "name": key.name,
        "scopes": sorted(scope.value for scope in key.scopes),
        "collection_ids": None if key.collection_ids is None else sorted(key.collection_ids),
        "prefix": key.prefix,
        "token_hash": key.token_hash,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "last_used_at": key.last_used_at,
    }


def api_key_from(row: Row) -> ApiKey:
    bound = row["collection_ids"]
    return ApiKey(
        id=row["id"],
        workspace_id=row["workspace_id"],
        user_id=row["user_id"],
        name=row["name"],
        scopes=frozenset(map(Scope, row["scopes"])),
        collection_ids=None if bound is None else frozenset(map(CollectionId, bound)),
        prefix=row["prefix"],
        token_hash=row["token_hash"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        last_used_at=row["last_used_at"],
    )


def invitation_values(invitation: Invitation) -> Values:
    return {
        "id": invitation.id,
        "workspace_id": invitation.workspace_id,
        "email": invitation.email,
        "role": int(invitation.role),
        "invited_by": invitation.invited_by,
        "token_hash": invitation.token_hash,
        "created_at": invitation.created_at,
        "expires_at": invitation.expires_at,
    }


def invitation_from(row: Row) -> Invitation:
    return Invitation(
        id=row["id"],
        workspace_id=row["workspace_id"],
        email=row["email"],
        role=Role(row["role"]),
        invited_by=row["invited_by"],
        token_hash=row["token_hash"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
    )


def collection_values(collection: Collection) -> Values:
    return {
        "id": collection.id,
        "workspace_id": collection.workspace_id,
        "name": collection.name,
        "description": collection.description,
        "visibility": collection.visibility.value,
        "is_default": collection.is_default,
        "version": collection.version,
        "created_at": collection.created_at,
    }


def collection_from(row: Row) -> Collection:
    return Collection(
        id=row["id"],
        workspace_id=row["workspace_id"],
        name=row["name"],
        description=row["description"],
        visibility=Visibility(row["visibility"]),
        is_default=row["is_default"],
        version=row["version"],
        created_at=row["created_at"],
    )


def conversation_values(conversation: Conversation) -> Values:
    return {
        "id": conversation.id,
        "workspace_id": conversation.workspace_id,
        "created_by": conversation.created_by,
        "title": conversation.title,
        "collection_ids": list(conversation.collection_ids),
        "instructions": conversation.instructions,
        "model": conversation.model,
        "version": conversation.version,
        "created_at": conversation.created_at,
        "updated_at": conversation.updated_at,
    }


def conversation_from(row: Row) -> Conversation:
    return Conversation(
        id=row["id"],
        workspace_id=row["workspace_id"],
        created_by=row["created_by"],
        title=row["title"],
        collection_ids=tuple(CollectionId(value) for value in row["collection_ids"]),
        instructions=row["instructions"],
        model=row["model"],
        version=row["version"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def message_values(message: Message) -> Values:
    return {
        "id": message.id,
        "workspace_id": message.workspace_id,
        "conversation_id": message.conversation_id,
        "parent_id": message.parent_id,
        "role": message.role.value,
        "status": message.status.value,
        "content": message.content,
        "citations": [citation_values(citation) for citation in message.citations],
        "stop_reason": message.stop_reason,
        "model": message.model,
        "usage": {
            "input_tokens": message.usage.input_tokens,
            "output_tokens": message.usage.output_tokens,
            "cache_read_input_tokens": message.usage.cache_read_input_tokens,
            "cache_creation_input_tokens": message.usage.cache_creation_input_tokens,
        },
        "error": message.error
        and {
            "code": message.error.code,
            "message": message.error.message,
            "retryable": message.error.retryable,
            "retry_after": message.error.retry_after,
        },
        "created_by": message.created_by,
        "created_at": message.created_at,
        "completed_at": message.completed_at,
    }


def message_from(row: Row) -> Message:
    return Message(
        id=row["id"],
        workspace_id=row["workspace_id"],
        conversation_id=row["conversation_id"],
        parent_id=row["parent_id"],
        role=Speaker(row["role"]),
        status=MessageStatus(row["status"]),
        content=row["content"],
        citations=tuple(_citation_from_json(citation) for citation in row["citations"]),
        stop_reason=row["stop_reason"],
        model=row["model"],
        usage=Usage(**row["usage"]),
        error=AnswerError(**row["error"]) if row["error"] else None,
        created_by=row["created_by"],
        created_at=row["created_at"],
        completed_at=row["completed_at"],
    )


def citation_values(citation: Citation) -> Values:
    return {
        "index": citation.index,
        "claim_from": citation.claim_from,
        "claim_to": citation.claim_to,
        "chunk_id": str(citation.chunk_id),
        "document_id": str(citation.document_id),
        "document_title": citation.document_title,
        "page_from": citation.page_from,
        "page_to": citation.page_to,
        "quote": citation.quote,
        "boxes": boxes_to_json(citation.boxes),
    }


def _citation_from_json(data: Mapping[str, Any]) -> Citation:
    return Citation(
        index=data["index"],
        claim_from=data["claim_from"],
        claim_to=data["claim_to"],
        chunk_id=ChunkId(UUID(data["chunk_id"])),
        document_id=DocumentId(UUID(data["document_id"])),
        document_title=data["document_title"],
        page_from=data["page_from"],
        page_to=data["page_to"],
        quote=data["quote"],
        boxes=boxes_from_json(data["boxes"]),
    )
