"""Tickets for browsers' WebSockets, which cannot send an `Authorization` header."""

import json
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from attrs import evolve, field, frozen

from application.authentication import Identity, identity_of_key, session_identity
from application.ports.accounts import Tickets
from application.ports.security import Tokens
from application.ports.system import Clock
from application.ports.unit_of_work import UnitOfWorkFactory
from domain.errors import Unauthenticated
from domain.ids import ApiKeyId, SessionId, UserId

TICKET_PREFIX: Final = "rrt_"
GOOD_FOR: Final = timedelta(seconds=30)


@frozen(kw_only=True)
class Ticket:
    """What opens one connection, once."""

    secret: str = field(repr=False)
    expires_in: int  # seconds


@frozen(kw_only=True)
class IssueTicket:
    """A ticket that opens one WebSocket, once, within 30 seconds, in place of the token that asks for it."""

    tickets: Tickets
    tokens: Tokens

    async def __call__(self, identity: Identity) -> Ticket:
        """`CacheUnavailable` where tickets cannot be kept."""
        opaque = self.tokens.new_opaque(TICKET_PREFIX)
        await self.tickets.put(opaque.digest, _packed(identity), ttl=GOOD_FOR)
        return Ticket(secret=opaque.secret, expires_in=int(GOOD_FOR.total_seconds()))


@frozen(kw_only=True)
class RedeemTicket:
    """From a ticket to the person who asked for it.

    - A ticket is good once, wherever it is brought.
    - What it stands for is asked again: a session or key that ended meanwhile opens nothing.
    """

    begin: UnitOfWorkFactory
    tickets: Tickets
    tokens: Tokens
    clock: Clock

    async def __call__(self, ticket: str) -> Identity:
        """`Unauthenticated` unless genuine, in time and not used; `CacheUnavailable` where that cannot be checked."""
        value = await self.tickets.take(self.tokens.digest(ticket)) if ticket.startswith(TICKET_PREFIX) else None
        if value is None:
            raise Unauthenticated("The ticket is not valid any more. Ask for another.", code="invalid_token")
        packed: dict[str, Any] = json.loads(value)
        expires = packed["expires_at"]
        expires_at = None if expires is None else datetime.fromisoformat(expires)
        now = self.clock.now()
        async with self.begin(None) as work:
            if packed["api_key_id"] is None:
                identity = await session_identity(
                    work, SessionId(UUID(packed["session_id"])), UserId(UUID(packed["user_id"])), now=now
                )
                return evolve(identity, expires_at=expires_at)
            key = await work.api_keys.get(ApiKeyId(UUID(packed["api_key_id"])))
            current = await work.api_keys.by_token(key.token_hash) if key else None  # its member may be disabled
        return identity_of_key(current, now=now)


def _packed(identity: Identity) -> bytes:
    return json.dumps(
        {
            "user_id": str(identity.user_id),
            "session_id": None if identity.session_id is None else str(identity.session_id),
            "api_key_id": None if identity.api_key_id is None else str(identity.api_key_id),
            "expires_at": None if identity.expires_at is None else identity.expires_at.isoformat(),
        }
    ).encode()
