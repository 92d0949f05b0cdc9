"""Keys, invitations and tickets in memory."""

from datetime import datetime, timedelta

from attrs import evolve

from application.errors import CacheUnavailable
from application.ports.accounts import Tickets
from application.ports.system import Clock
from domain.api_keys import ApiKey
from domain.ids import ApiKeyId, InvitationId, WorkspaceId
from domain.invitations import Invitation
from tests.fakes.database import API_KEYS, INVITATIONS, USERS, unique_values
from tests.fakes.repositories import FakeRepository


class FakeApiKeys(FakeRepository):
    async def get(self, key_id: ApiKeyId) -> ApiKey | None:
        found: ApiKey | None = self._by_id(API_KEYS, key_id)
        return found

    async def by_token(self, token_hash: bytes) -> ApiKey | None:
        found: ApiKey | None = self._rows.first(API_KEYS, lambda one: bool(one.token_hash == token_hash))
        user = self._by_id(USERS, found.user_id) if found else None
        return found if user is not None and user.is_active else None

    async def add(self, key: ApiKey) -> None:
        await self._rows.add(API_KEYS, key.id, key, **unique_values(API_KEYS, key))

    async def note_use(self, key_id: ApiKeyId, now: datetime) -> None:
        key = await self.get(key_id)
        if key is not None and (key.last_used_at is None or key.last_used_at < now):
            self._rows.put(API_KEYS, key_id, evolve(key, last_used_at=now))

    async def page(self, workspace_id: WorkspaceId, *, limit: int, after: ApiKeyId | None = None) -> list[ApiKey]:
        rows = [one for one in self._rows.rows(API_KEYS) if one.workspace_id == workspace_id]
        return self._page(API_KEYS, rows, after=after, limit=limit)

    async def remove(self, key_id: ApiKeyId) -> bool:
        return self._remove(API_KEYS, key_id)


class FakeInvitations(FakeRepository):
    async def get(self, invitation_id: InvitationId) -> Invitation | None:
        found: Invitation | None = self._by_id(INVITATIONS, invitation_id)
        return found

    async def by_token(self, token_hash: bytes) -> Invitation | None:
        found = self._rows.first(INVITATIONS, lambda one: bool(one.token_hash == token_hash))
        if found is None:
            return None
        await self._rows.lock(INVITATIONS, found.id)
        return await self.get(found.id)

    async def add(self, invitation: Invitation) -> None:
        for one in list(self._rows.rows(INVITATIONS)):
            if (one.workspace_id, one.email) == (invitation.workspace_id, invitation.email):
                self._rows.delete(INVITATIONS, one.id)
        await self._rows.add(INVITATIONS, invitation.id, invitation)

    async def page(
        self, workspace_id: WorkspaceId, *, limit: int, after: InvitationId | None = None
    ) -> list[Invitation]:
        rows = [one for one in self._rows.rows(INVITATIONS) if one.workspace_id == workspace_id]
        return self._page(INVITATIONS, rows, after=after, limit=limit)

    async def remove(self, invitation_id: InvitationId) -> bool:
        return self._remove(INVITATIONS, invitation_id)


class FakeTickets(Tickets):
    """A dictionary; `is_down` takes it away."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[bytes, tuple[bytes, datetime]] = {}
        self.is_down = False

    async def put(self, digest: bytes, value: bytes, *, ttl: timedelta) -> None:
        self._check()
        self._kept[digest] = (value, self._clock.now() + ttl)

    async def take(self, digest: bytes) -> bytes | None:
        self._check()
        value, until = self._kept.pop(digest, (None, None))
        return value if until is not None and self._clock.now() < until else None

    def _check(self) -> None:
        if self.is_down:
            raise CacheUnavailable("The fake is down.")
