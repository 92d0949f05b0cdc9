"""Who belongs to a workspace, and as what."""

from attrs import evolve, frozen

from application.auditing import note
from application.ports.access import AccessChanges
from application.ports.repositories import Member
from application.ports.unit_of_work import UnitOfWork, UnitOfWorkFactory
from domain.access import Action, Actor, Role
from domain.audit import Deed
from domain.errors import NotFound
from domain.ids import UserId, WorkspaceId
from domain.workspaces import Membership, check_role_change


@frozen(kw_only=True)
class ListMembers:
    """Everybody in the workspace, in the order in which they joined."""

    begin: UnitOfWorkFactory

    async def __call__(self, actor: Actor, *, limit: int, after: UserId | None = None) -> list[Member]:
        """At most `limit`, after the one named."""
        actor.require(Action.MEMBER_READ)
        async with self.begin(actor.workspace_id) as work:
            return await work.workspaces.members(actor.workspace_id, limit=limit, after=after)


@frozen(kw_only=True)
class ChangeRole:
    """Another role for a member.

    - Only owners make owners, or make them less.
    - The last owner stays one, however many try at once.
    """

    begin: UnitOfWorkFactory
    changes: AccessChanges

    async def __call__(self, actor: Actor, *, user_id: UserId, role: Role) -> Member:
        """`NotFound`, `Forbidden`, or `Conflict` with code `last_owner`."""
        actor.require(Action.MEMBER_MANAGE)
        async with self.begin(actor.workspace_id) as work:
            membership = await locked_place(work, actor, user_id)
            await check_change(work, membership, by=await present_role(work, actor), to=role)
            await work.workspaces.save_member(evolve(membership, role=role))
            changed = await work.workspaces.member(actor.workspace_id, user_id)
            await note(work, Deed.MEMBER_CHANGED, user_id, by=actor)
            await work.commit()
        await self.changes.announce(actor.workspace_id, user_id)
        if changed is None:
            raise _no_such_member()
        return changed


@frozen(kw_only=True)
class RemoveMember:
    """Take somebody out of the workspace, or leave it oneself.

    - What they hold there goes with them at once: places in collections, API keys, invitations they made.
    - Only owners remove owners; the last owner cannot leave.
    """

    begin: UnitOfWorkFactory
    changes: AccessChanges

    async def __call__(self, actor: Actor, *, user_id: UserId) -> None:
        """`NotFound`, `Forbidden`, or `Conflict` with code `last_owner`."""
        leaves = user_id == actor.user_id and actor.api_key_id is None
        if not leaves:
            actor.require(Action.MEMBER_MANAGE)
        async with self.begin(actor.workspace_id) as work:
            membership = await locked_place(work, actor, user_id)
            by = membership.role if leaves else await present_role(work, actor)
            await check_change(work, membership, by=by, to=None)
            await work.workspaces.remove_member(actor.workspace_id, user_id)
            await note(work, Deed.MEMBER_REMOVED, user_id, by=actor)
            await work.commit()
        await self.changes.announce(actor.workspace_id, user_id)


async def locked_place(work: UnitOfWork, actor: Actor, user_id: UserId) -> Membership:
    """A member's place, with all places of the workspace held until the transaction ends; else `NotFound`."""
    await work.workspaces.lock(actor.workspace_id)
    membership = await work.workspaces.membership(actor.workspace_id, user_id)
    if membership is None:
        raise _no_such_member()
    return membership


async def present_role(work: UnitOfWork, actor: Actor) -> Role:
    """The actor's role as it is now, which the same transaction may not have given them; `NotFound` without one."""
    place = await work.workspaces.membership(actor.workspace_id, actor.user_id)
    if place is None:
        raise NotFound("There is no such workspace, or you are not a member of it.")
    evolve(actor, role=place.role).require(Action.MEMBER_MANAGE)
    return place.role


async def check_change(work: UnitOfWork, membership: Membership, *, by: Role, to: Role | None) -> None:
    """`Forbidden` or `Conflict` unless the member may get the role `to`; None: leave."""
    others = await other_owners(work, membership.workspace_id, membership.user_id)
    check_role_change(by=by, present=membership.role, to=to, is_only_owner=not others)


async def other_owners(work: UnitOfWork, workspace_id: WorkspaceId, user_id: UserId) -> list[UserId]:
    """Owners who can still log in, but for one."""
    return [owner for owner in await work.workspaces.owners(workspace_id) if owner != user_id]


def _no_such_member() -> NotFound:
    return NotFound("There is no such member.")
