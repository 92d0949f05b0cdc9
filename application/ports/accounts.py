"""What is stored about keys and invitations. The promises of `application.ports.repositories` hold here too."""

from datetime import datetime, timedelta
from typing import Protocol

from domain.api_keys import ApiKey
from domain.ids import ApiKeyId, InvitationId, WorkspaceId
from domain.invitations import Invitation


class ApiKeys(Protocol):
    """API keys. They are gone when the member who made them leaves the workspace."""

    async def get(self, key_id: ApiKeyId) -> ApiKey | None:
        """By id."""
        ...

    async def by_token(self, token_hash: bytes) -> ApiKey | None:
        """By the hash of its secret, unless the member who made it is disabled."""
        ...

    async def add(self, key: ApiKey) -> None:
        """A new one."""
        ...

    async def note_use(self, key_id: ApiKeyId, now: datetime) -> None:
        """It was used; an earlier moment than the stored one changes nothing."""
        ...

    async def page(self, workspace_id: WorkspaceId, *, limit: int, after: ApiKeyId | None = None) -> list[ApiKey]:
        """Oldest first, expired ones too."""
        ...

    async def remove(self, key_id: ApiKeyId) -> bool:
        """Revoke it for good. False when there is none."""
        ...


class Invitations(Protocol):
    """Open invitations. They are gone when the member who made them leaves the workspace."""

    async def get(self, invitation_id: InvitationId) -> Invitation | None:
        """By id, expired ones too."""
        ...

    async def by_token(self, token_hash: bytes) -> Invitation | None:
        """By the hash of its token, locked until the transaction ends: it is accepted once."""
        ...

    async def add(self, invitation: Invitation) -> None:
        """A new one, in place of an older one to the same e-mail in the same workspace."""
        ...

    async def page(
        self, workspace_id: WorkspaceId, *, limit: int, after: InvitationId | None = None
    ) -> list[Invitation]:
        """Oldest first, expired ones too."""
        ...

    async def remove(self, invitation_id: InvitationId) -> bool:
        """Withdraw or use it up. False when there is none."""
        ...


class Tickets(Protocol):
    """Secrets that open one connection, once, soon.

    Raises `application.errors.CacheUnavailable` when the engine cannot be used: a ticket cannot be checked without it.
    """

    async def put(self, digest: bytes, value: bytes, *, ttl: timedelta) -> None:
        """Keep `value` for whoever brings the ticket with this digest within `ttl`."""
        ...

    async def take(self, digest: bytes) -> bytes | None:
        """The value, to exactly one of those who ask; None when unknown, late or taken."""
        ...
