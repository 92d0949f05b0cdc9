"""What goes out about credentials, members and invitations."""

from typing import Any

from application.api_keys import MadeKey
from application.tickets import Ticket
from application.views import time_view
from domain.access import Scope
from domain.api_keys import ApiKey
from domain.ids import SessionId
from domain.users import LoginSession
from entrypoints.http.resources import Resource


class SessionOut(Resource):
    """A login session; `current` is the one that asks."""

    id: str
    device: str
    created_at: str
    last_used_at: str
    expires_at: str
    current: bool


class SessionsOut(Resource):
    """A page of login sessions."""

    items: list[SessionOut]
    next_cursor: str | None


def session_view(session: LoginSession, *, current: SessionId | None) -> dict[str, Any]:
    """A login session, without anything secret."""
    return {
        "id": str(session.id),
        "device": session.device,
        "created_at": time_view(session.created_at),
        "last_used_at": time_view(session.last_used_at),
        "expires_at": time_view(session.expires_at),
        "current": session.id == current,
    }


class TicketOut(Resource):
    """What opens one WebSocket; `expires_in` counts seconds."""

    ticket: str
    expires_in: int


def ticket_view(ticket: Ticket) -> dict[str, Any]:
    """A ticket."""
    return {"ticket": ticket.secret, "expires_in": ticket.expires_in}


class ApiKeyOut(Resource):
    """A key without its secret; `prefix` are the first characters of it."""

    id: str
    name: str
    prefix: str
    scopes: list[Scope]
    collection_ids: list[str] | None
    created_by: str
    created_at: str
    expires_at: str | None
    last_used_at: str | None


class MadeKeyOut(ApiKeyOut):
    """A new key with its secret, shown this once."""

    key: str


class ApiKeysOut(Resource):
    """A page of keys."""

    items: list[ApiKeyOut]
    next_cursor: str | None


def api_key_view(key: ApiKey) -> dict[str, Any]:
    """A key, without anything secret."""
    return {
        "id": str(key.id),
        "name": key.name,
        "prefix": key.prefix,
        "scopes": [scope.value for scope in Scope if scope in key.scopes],
        "collection_ids": None if key.collection_ids is None else sorted(map(str, key.collection_ids)),
        "created_by": str(key.user_id),
        "created_at": time_view(key.created_at),
        "expires_at": time_view(key.expires_at),
        "last_used_at": time_view(key.last_used_at),
    }


def made_key_view(made: MadeKey) -> dict[str, Any]:
    """A key with its secret."""
    return {**api_key_view(made.key), "key": made.secret}
