"""The person at the machine: who acts when a command is run in process, without anybody having logged in."""

import secrets
from typing import Final

from attrs import frozen

from application.authentication import CreateUser, EnterWorkspace, Identity
from application.ports.unit_of_work import UnitOfWorkFactory
from domain.access import Actor
from domain.errors import NotFound
from domain.workspaces import Workspace

LOCAL_EMAIL: Final = "local@readingroom.local"
LOCAL_NAME: Final = "Local"


@frozen(kw_only=True)
class LocalActor:
    """An actor and the workspace they work in."""

    actor: Actor
    workspace: Workspace
    chosen_among: int  # how many workspaces there are


@frozen(kw_only=True)
class ActLocally:
    """Find the workspace that a local command means, and act as its owner.

    - One named by id or by name is taken; a name that several carry is refused.
    - Without a name: the only one there is; with several, the local user's own, else the oldest.
    - In an empty installation a local user with a workspace is made.
    """

    begin: UnitOfWorkFactory
    create_user: CreateUser
    enter: EnterWorkspace

    async def __call__(self, *, workspace: str | None = None) -> LocalActor:
        """`NotFound` when nothing, or more than one thing, has that name."""
        async with self.begin(None) as work:
            everyone = await work.workspaces.owned()
            local = await work.users.by_email(LOCAL_EMAIL)
        if workspace is not None:
            fitting = [owned for owned in everyone if workspace in {owned.workspace.name, str(owned.workspace.id)}]
            if len(fitting) != 1:
                raise NotFound(
                    f"{len(fitting) or 'No'} workspaces are called {workspace!r}; name one of these by its id: "
                    + ", ".join(f"{owned.workspace.name} ({owned.workspace.id})" for owned in everyone[:10])
                )
            chosen = fitting[0]
        elif everyone:
            own = [owned for owned in everyone if local is not None and owned.owner == local.id]
            chosen = own[0] if own and len(everyone) > 1 else everyone[0]
        else:
            made = await self.create_user(
                email=LOCAL_EMAIL, password=secrets.token_urlsafe(24), name=LOCAL_NAME, workspace_name=LOCAL_NAME
            )
            actor = await self.enter(Identity(user_id=made.user.id), made.workspace.id)
            return LocalActor(actor=actor, workspace=made.workspace, chosen_among=1)
        actor = await self.enter(Identity(user_id=chosen.owner), chosen.workspace.id)
        return LocalActor(actor=actor, workspace=chosen.workspace, chosen_among=len(everyone))
