"""Coming into a workspace, and its end."""

from typing import Final

from attrs import frozen

from application.auditing import note
from application.authentication import Identity
from application.documents import check_version
from application.invitations import admit
from application.ports.access import AccessChanges
from application.ports.jobs import EraseWorkspace
from application.ports.repositories import WorkspaceOfUser
from application.ports.security import Tokens
from application.ports.system import Clock
from application.ports.unit_of_work import UnitOfWorkFactory
from domain.access import Action, Actor
from domain.audit import Deed
from domain.errors import NotFound, Unauthenticated

GONE: Final = "There is no such workspace, or you are not a member of it."


@frozen(kw_only=True)
class AcceptInvitation:
    """Take up an invitation with the account that has its e-mail."""

    begin: UnitOfWorkFactory
    tokens: Tokens
    changes: AccessChanges
    clock: Clock

    async def __call__(self, identity: Identity, *, token: str) -> WorkspaceOfUser:
        """`NotFound` (code `invalid_invitation`), or `Conflict` with code `already_member`."""
        identity.require_person()
        async with self.begin(None) as work:
            user = await work.users.get(identity.user_id)
            if user is None:
                raise Unauthenticated("This user does not exist any more.", code="invalid_token")
            membership = await admit(work, self.tokens.digest(token), user, now=self.clock.now())
            workspace = await work.workspaces.get(membership.workspace_id)
            if workspace is None:
                raise NotFound(GONE)
            joined = WorkspaceOfUser(workspace=workspace, role=membership.role)
            await work.commit(joined)
        await self.changes.announce(user.id, workspace.id)
        return joined


@frozen(kw_only=True)
class DeleteWorkspace:
    """Erase a workspace with everything in it.

    - From the answer on nobody is a member: it is gone for everyone, with its keys and invitations.
    - Its documents, vectors, files, conversations and rooms are erased by a job, soon after and surely.
    """

    begin: UnitOfWorkFactory
    changes: AccessChanges
    clock: Clock

    async def __call__(self, actor: Actor, *, version: int | None = None) -> None:
        """`Forbidden` but for owners, `NotFound`, or `StaleVersion` when `version` is not the present one."""
        actor.require(Action.WORKSPACE_DELETE)
        async with self.begin(actor.workspace_id) as work:
            workspace = await work.workspaces.lock(actor.workspace_id)
            place = await work.workspaces.membership(actor.workspace_id, actor.user_id)
            if workspace is None or place is None or place.role < actor.role:
                raise NotFound(GONE)
            check_version(workspace.version, version)
            await work.workspaces.save(workspace.deleted(self.clock.now()))
            gone = await work.workspaces.remove_members(workspace.id)
            await work.jobs.enqueue([EraseWorkspace(workspace_id=workspace.id)])
            await note(work, Deed.WORKSPACE_DELETED, workspace.id, by=actor)
            await work.commit()
        await self.changes.announce(workspace.id, *gone)
