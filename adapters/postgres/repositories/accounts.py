"""API keys and invitations."""

from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, delete, insert, or_, select, update

from adapters.postgres.mapping import api_key_from, api_key_values, invitation_from, invitation_values
from adapters.postgres.prepared import Prepared
from adapters.postgres.session import Session, after_key
from adapters.postgres.tables import api_keys, invitations, users
from domain.api_keys import ApiKey
from domain.ids import ApiKeyId, InvitationId, WorkspaceId
from domain.invitations import Invitation

_BY_TOKEN: Final = Prepared.of(
    select(api_keys)
    .join(users, users.c.id == api_keys.c.user_id)
    .where(api_keys.c.token_hash == bindparam("token_hash"), users.c.disabled_at.is_(None))
)


class PostgresApiKeys:
    """Keeps the promises of `application.ports.accounts.ApiKeys`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def get(self, key_id: ApiKeyId) -> ApiKey | None:
        """By id."""
        row = await self._session.one(select(api_keys).where(api_keys.c.id == key_id))
        return api_key_from(row) if row else None

    async def by_token(self, token_hash: bytes) -> ApiKey | None:
        """By the hash of its secret, unless its member is disabled."""
        row = await self._session.first(_BY_TOKEN, token_hash=token_hash)
        return api_key_from(row) if row else None

    async def add(self, key: ApiKey) -> None:
        """A new one."""
        await self._session.execute(insert(api_keys).values(api_key_values(key)))

    async def note_use(self, key_id: ApiKeyId, now: datetime) -> None:
        """It was used."""
        earlier = or_(api_keys.c.last_used_at.is_(None), api_keys.c.last_used_at < now)
        await self._session.execute(update(api_keys).where(api_keys.c.id == key_id, earlier).values(last_used_at=now))

    async def page(self, workspace_id: WorkspaceId, *, limit: int, after: ApiKeyId | None = None) -> list[ApiKey]:
        """Oldest first."""
        keys = (api_keys.c.created_at, api_keys.c.id)
        rows = await self._session.all(
            select(api_keys)
            .where(api_keys.c.workspace_id == workspace_id, *after_key(api_keys, keys, after))
            .order_by(*keys)
            .limit(limit)
        )
        return [api_key_from(row) for row in rows]

    async def remove(self, key_id: ApiKeyId) -> bool:
        """Revoke it for good."""
        return bool((await self._session.execute(delete(api_keys).where(api_keys.c.id == key_id))).rowcount)


class PostgresInvitations:
    """Keeps the promises of `application.ports.accounts.Invitations`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def get(self, invitation_id: InvitationId) -> Invitation | None:
        """By id."""
        row = await self._session.one(select(invitations).where(invitations.c.id == invitation_id))
        return invitation_from(row) if row else None

    async def by_token(self, token_hash: bytes) -> Invitation | None:
        """By the hash of its token, locked until the transaction ends."""
        row = await self._session.one(
            select(invitations).where(invitations.c.token_hash == token_hash).with_for_update()
        )
        return invitation_from(row) if row else None

    async def add(self, invitation: Invitation) -> None:
        """A new one in place of an older one; of two at the same moment the later is told `AlreadyExists`."""
        await self._session.execute(
            delete(invitations).where(
                invitations.c.workspace_id == invitation.workspace_id, invitations.c.email == invitation.email
            )
        )
        await self._session.execute(insert(invitations).values(invitation_values(invitation)))

    async def page(
        self, workspace_id: WorkspaceId, *, limit: int, after: InvitationId | None = None
    ) -> list[Invitation]:
        """Oldest first."""
        keys = (invitations.c.created_at, invitations.c.id)
        rows = await self._session.all(
            select(invitations)
            .where(invitations.c.workspace_id == workspace_id, *after_key(invitations, keys, after))
            .order_by(*keys)
            .limit(limit)
        )
        return [invitation_from(row) for row in rows]

    async def remove(self, invitation_id: InvitationId) -> bool:
        """Withdraw or use it up."""
        removed = await self._session.execute(delete(invitations).where(invitations.c.id == invitation_id))
        return bool(removed.rowcount)
