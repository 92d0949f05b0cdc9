"""Invitations into a workspace."""

from datetime import datetime, timedelta
from typing import Final

from attrs import field, frozen

from domain.access import Role
from domain.ids import InvitationId, UserId, WorkspaceId
from domain.times import aware

GOOD_FOR: Final = timedelta(days=7)


@frozen(kw_only=True)
class Invitation:
    """An open offer of a role to whoever holds both its token and an account with its e-mail.

    It is gone once it is accepted or withdrawn, and when the member who made it leaves. Only a hash of the token is
    kept.
    """

    id: InvitationId
    workspace_id: WorkspaceId
    email: str
    role: Role
    invited_by: UserId
    token_hash: bytes = field(repr=False)
    created_at: datetime = field(validator=aware)
    expires_at: datetime = field(validator=aware)

    def is_for(self, email: str, now: datetime) -> bool:
        """Whether somebody with this (normalised) e-mail may accept it now."""
        return email == self.email and now < self.expires_at

    def may_be_kept_by(self, inviter: Role) -> bool:
        """Whether somebody who has that role today may still offer this one."""
        return inviter >= max(Role.ADMIN, self.role)
