"""What is written down for good: who did what."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from attrs import frozen

from domain.ids import ApiKeyId, UserId, WorkspaceId, numbered_id


class Deed(StrEnum):
    """What can be done that is worth writing down; the word before the dot names the kind of resource."""

    ACCOUNT_CREATED = "account.created"
    ACCOUNT_LOGGED_IN = "account.logged_in"
    ACCOUNT_LOGIN_FAILED = "account.login_failed"
    ACCOUNT_TOKEN_REUSED = "account.token_reused"  # noqa: S105 a deed
    ACCOUNT_PASSWORD_CHANGED = "account.password_changed"  # noqa: S105 a deed
    ACCOUNT_SESSION_ENDED = "account.session_ended"
    ACCOUNT_CHANGED = "account.changed"
    WORKSPACE_CREATED = "workspace.created"
    WORKSPACE_CHANGED = "workspace.changed"
    WORKSPACE_DELETED = "workspace.deleted"
    WORKSPACE_ERASED = "workspace.erased"
    WORKSPACE_REINDEXED = "workspace.reindexed"
    MEMBER_JOINED = "member.joined"
    MEMBER_CHANGED = "member.changed"
    MEMBER_REMOVED = "member.removed"
    INVITATION_CREATED = "invitation.created"
    INVITATION_REVOKED = "invitation.revoked"
    API_KEY_CREATED = "api_key.created"
    API_KEY_REVOKED = "api_key.revoked"
    COLLECTION_CREATED = "collection.created"
    COLLECTION_CHANGED = "collection.changed"
    COLLECTION_DELETED = "collection.deleted"
    DOCUMENT_UPLOADED = "document.uploaded"
    DOCUMENT_REVISED = "document.revised"
    DOCUMENT_CHANGED = "document.changed"
    DOCUMENT_REINDEXED = "document.reindexed"
    DOCUMENT_DELETED = "document.deleted"
    CONVERSATION_CREATED = "conversation.created"
    CONVERSATION_CHANGED = "conversation.changed"
    CONVERSATION_DELETED = "conversation.deleted"
    ROOM_CREATED = "room.created"
    ROOM_CHANGED = "room.changed"
    ROOM_DELETED = "room.deleted"

    @property
    def kind(self) -> str:
        """What kind of resource it was done to."""
        return self.value.partition(".")[0]


@frozen(kw_only=True)
class AuditEntry:
    """One deed. It holds ids and words of ours: nothing that somebody typed, and no secret."""

    number: int | None = None  # given when it is stored; grows
    at: datetime | None = None  # given when it is stored
    deed: Deed
    workspace_id: WorkspaceId | None  # None: it concerns a person everywhere
    user_id: UserId | None  # who did it; None: nobody known, or the system itself
    api_key_id: ApiKeyId | None = None  # with what, where it was not the person themselves
    resource_id: UUID | None = None
    address: str | None = None
    request_id: str | None = None

    @property
    def entry_id(self) -> UUID:
        """What it is called outside; only what is stored has a name."""
        if self.number is None or self.at is None:
            raise ValueError("the entry is not stored yet")
        return numbered_id(self.number, self.at)
