"""Invitations: made, seen and withdrawn by admins; what accepting one does."""

from datetime import datetime
from typing import Final

from attrs import field, frozen

from application.auditing import Person, note
from application.errors import AlreadyExists
from application.members import present_role
from application.ports.security import Tokens
from application.ports.system import Clock, Ids
from application.ports.unit_of_work import UnitOfWork, UnitOfWorkFactory
from domain.access import Action, Actor, Role
from domain.audit import Deed
from domain.errors import Conflict, Forbidden, NotFound
from domain.ids import InvitationId
from domain.invitations import GOOD_FOR, Invitation
from domain.users import User, normalise_email
from domain.workspaces import Membership

INVITATION_PREFIX: Final = "rri_"


@frozen(kw_only=True)
class MadeInvitation:
    """A new invitation and its token, which is shown this once."""

    invitation: Invitation
    token: str = field(repr=False)


@frozen(kw_only=True)
class Invite:
    """Offer somebody a role in the workspace. The token is shown once and stored hashed; bring it to them yourself.

    - It is good for seven days, once, and only together with an account that has this e-mail.
    - Inviting the same e-mail again replaces the older invitation.
    - Only owners invite owners. An invitation stands as long as who made it may still make it.
    """

    begin: UnitOfWorkFactory
    tokens: Tokens
    clock: Clock
    ids: Ids

    async def __call__(self, actor: Actor, *, email: str, role: Role) -> MadeInvitation:
        """`Forbidden`, `InvalidInput`, or `Conflict` with code `already_member`."""
        actor.require(Action.MEMBER_MANAGE)
        now = self.clock.now()
        opaque = self.tokens.new_opaque(INVITATION_PREFIX)
        invitation = Invitation(
            id=InvitationId(self.ids.new()),
            workspace_id=actor.workspace_id,
            email=normalise_email(email),
            role=role,
            invited_by=actor.user_id,
            token_hash=opaque.digest,
            created_at=now,
            expires_at=now + GOOD_FOR,
        )
        async with self.begin(actor.workspace_id) as work:
            if not invitation.may_be_kept_by(await present_role(work, actor)):
                raise Forbidden("Only owners invite owners.")
            # bound to the workspace, so that only its members can be found
            if await work.users.by_email(invitation.email) is not None:
                raise Conflict("They belong to the workspace already.", code="already_member")
            await work.invitations.add(invitation)
            await note(work, Deed.INVITATION_CREATED, invitation.id, by=actor)
            made = MadeInvitation(invitation=invitation, token=opaque.secret)
            await work.commit(made)
        return made


@frozen(kw_only=True)
class ListInvitations:
    """Open invitations, oldest first, without their tokens."""

    begin: UnitOfWorkFactory

    async def __call__(self, actor: Actor, *, limit: int, after: InvitationId | None = None) -> list[Invitation]:
        """At most `limit`, after the one named."""
        actor.require(Action.MEMBER_MANAGE)
        async with self.begin(actor.workspace_id) as work:
            return await work.invitations.page(actor.workspace_id, limit=limit, after=after)


@frozen(kw_only=True)
class ShowInvitation:
    """One open invitation, without its token."""

    begin: UnitOfWorkFactory

    async def __call__(self, actor: Actor, *, invitation_id: InvitationId) -> Invitation:
        """`NotFound` when the workspace has none such."""
        actor.require(Action.MEMBER_MANAGE)
        async with self.begin(actor.workspace_id) as work:
            return await _present(work, actor, invitation_id)


@frozen(kw_only=True)
class WithdrawInvitation:
    """Take an invitation back; its token opens nothing any more."""

    begin: UnitOfWorkFactory

    async def __call__(self, actor: Actor, *, invitation_id: InvitationId) -> None:
        """`NotFound` when the workspace has none such."""
        actor.require(Action.MEMBER_MANAGE)
        async with self.begin(actor.workspace_id) as work:
            await work.invitations.remove((await _present(work, actor, invitation_id)).id)
            await note(work, Deed.INVITATION_REVOKED, invitation_id, by=actor)
            await work.commit()


async def _present(work: UnitOfWork, actor: Actor, invitation_id: InvitationId) -> Invitation:
    invitation = await work.invitations.get(invitation_id)
    if invitation is None or invitation.workspace_id != actor.workspace_id:
        raise NotFound("There is no such invitation.")
    return invitation


async def open_invitation(work: UnitOfWork, token_hash: bytes, *, email: str, now: datetime) -> Invitation:
    """The invitation of a token, locked; `NotFound` unless it may be accepted by this (normalised) e-mail now."""
    invitation = await work.invitations.by_token(token_hash)
    if invitation is not None and invitation.is_for(email, now):
        inviter = await work.workspaces.membership(invitation.workspace_id, invitation.invited_by)
        if inviter is not None and invitation.may_be_kept_by(inviter.role):
            return invitation
    raise NotFound("This invitation is not valid any more, or is for another e-mail.", code="invalid_invitation")


async def admit(work: UnitOfWork, token_hash: bytes, user: User, *, now: datetime) -> Membership:
    """Use an invitation up: the person gets its role. `NotFound`, or `Conflict` with code `already_member`."""
    invitation = await open_invitation(work, token_hash, email=user.email, now=now)
    membership = Membership(workspace_id=invitation.workspace_id, user_id=user.id, role=invitation.role, joined_at=now)
    try:
        await work.workspaces.add_member(membership)
    except AlreadyExists as error:
        raise Conflict("You belong to the workspace already.", code="already_member") from error
    await work.invitations.remove(invitation.id)
    await note(work, Deed.MEMBER_JOINED, user.id, by=Person(user.id), workspace_id=membership.workspace_id)
    return membership
