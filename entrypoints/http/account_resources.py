"""What goes out about credentials, members and invitations."""

from typing import Any

from application.views import time_view
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
