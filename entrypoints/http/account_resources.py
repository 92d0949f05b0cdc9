"""What goes out about credentials, members and invitations."""

from typing import Any

from application.api_keys import MadeKey
from application.invitations import MadeInvitation
from application.ports.repositories import Member
from application.tickets import Ticket
from application.views import time_view
from domain.access import Scope
from domain.api_keys import ApiKey
from domain.ids import SessionId
from domain.invitations import Invitation
from domain.users import LoginSession
from entrypoints.http.resources import Resource, RoleName


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


class MemberUserOut(Resource):
    """A member's person."""

    id: str
    name: str
    email: str


class MemberOut(Resource):
    """Somebody's place in a workspace."""

    user: MemberUserOut
    role: RoleName
    joined_at: str


class MembersOut(Resource):
    """A page of members."""

    items: list[MemberOut]
    next_cursor: str | None


def member_view(member: Member) -> dict[str, Any]:
    """A member."""
    return {
        "user": {"id": str(member.user_id), "name": member.name, "email": member.email},
        "role": member.role.label,
        "joined_at": time_view(member.joined_at),
    }


class InvitationOut(Resource):
    """An open invitation without its token."""

    id: str
    email: str
    role: RoleName
    invited_by: str
    created_at: str
    expires_at: str


class MadeInvitationOut(InvitationOut):
    """A new invitation with its token, shown this once."""

    token: str


class InvitationsOut(Resource):
    """A page of invitations."""

    items: list[InvitationOut]
    next_cursor: str | None


def invitation_view(invitation: Invitation) -> dict[str, Any]:
    """An invitation, without anything secret."""
    return {
        "id": str(invitation.id),
        "email": invitation.email,
        "role": invitation.role.label,
        "invited_by": str(invitation.invited_by),
        "created_at": time_view(invitation.created_at),
        "expires_at": time_view(invitation.expires_at),
    }


def made_invitation_view(made: MadeInvitation) -> dict[str, Any]:
    """An invitation with its token."""
    return {**invitation_view(made.invitation), "token": made.token}
