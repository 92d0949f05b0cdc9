"""Who did what to which resource, when, from where: written with the deed, read by admins."""

from typing import Protocol
from uuid import UUID

from attrs import frozen

from application.calls import current_call
from application.ports.unit_of_work import UnitOfWork, UnitOfWorkFactory
from domain.access import Action, Actor
from domain.audit import AuditEntry, Deed
from domain.ids import ApiKeyId, UserId, WorkspaceId


class Somebody(Protocol):
    """An actor, or an identity that is in no workspace yet."""

    @property
    def user_id(self) -> UserId:
        """The person."""
        ...

    @property
    def api_key_id(self) -> ApiKeyId | None:
        """The key that acts as them."""
        ...

    @property
    def workspace_id(self) -> WorkspaceId | None:
        """Where they act."""
        ...


@frozen
class Person:
    """Somebody who is in no workspace yet."""

    user_id: UserId
    api_key_id: ApiKeyId | None = None
    workspace_id: WorkspaceId | None = None


async def note(
    work: UnitOfWork,
    deed: Deed,
    resource_id: UUID | None,
    *,
    by: Somebody | None,
    workspace_id: WorkspaceId | None = None,
) -> None:
    """Write down a deed in the transaction that does it; `workspace_id` where `by` is not in that workspace yet."""
    call = current_call()
    await work.audit.add(
        AuditEntry(
            deed=deed,
            workspace_id=workspace_id or (by.workspace_id if by else None),
            user_id=by.user_id if by else None,
            api_key_id=by.api_key_id if by else None,
            resource_id=resource_id,
            address=call.address,
            request_id=call.request_id,
        )
    )


@frozen(kw_only=True)
class ShowAuditLog:
    """Who did what in the workspace, newest first.

    - Log-ins, failed ones too, and other changes of accounts are shown for its present members.
    - It only grows: nobody changes or removes an entry, not even when what it tells of is gone.
    - It holds ids, times and addresses, never a secret or anything that somebody wrote.
    """

    begin: UnitOfWorkFactory

    async def __call__(self, actor: Actor, *, limit: int, before: int | None = None) -> list[AuditEntry]:
        """At most `limit`, older than the entry with that number; `Forbidden` but for admins."""
        actor.require(Action.AUDIT_READ)
        async with self.begin(actor.workspace_id) as work:
            return await work.audit.page(actor.workspace_id, limit=limit, before=before)
