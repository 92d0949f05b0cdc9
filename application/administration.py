"""People, from the side of whoever runs the installation. No actor: it is for commands on the machine only."""

from attrs import evolve, frozen

from application.auditing import note
from application.members import check_change
from application.ports.access import AccessChanges
from application.ports.repositories import WorkspaceOfUser
from application.ports.security import PasswordHasher
from application.ports.system import Clock
from application.ports.unit_of_work import UnitOfWork, UnitOfWorkFactory
from domain.access import Role
from domain.audit import Deed
from domain.errors import InvalidInput, NotFound
from domain.ids import UserId
from domain.users import User, check_password, normalise_email
from domain.workspaces import Membership, Workspace


@frozen(kw_only=True)
class ListedUser:
    """A person and where they belong."""

    user: User
    workspaces: tuple[WorkspaceOfUser, ...]


@frozen(kw_only=True)
class ListUsers:
    """Everybody, oldest account first."""

    begin: UnitOfWorkFactory

    async def __call__(self, *, limit: int, after: UserId | None = None) -> list[ListedUser]:
        """At most `limit`, after the one named."""
        async with self.begin(None) as work:
            return [
                ListedUser(user=user, workspaces=tuple(await work.workspaces.of_user(user.id)))
                for user in await work.users.page(limit=limit, after=after)
            ]


@frozen(kw_only=True)
class SetPassword:
    """Another password for somebody; every login session of theirs ends."""

    begin: UnitOfWorkFactory
    passwords: PasswordHasher
    changes: AccessChanges
    clock: Clock

    async def __call__(self, *, email: str, password: str) -> User:
        """`NotFound`, `WeakPassword` or `InvalidInput`."""
        check_password(password, is_common=self.passwords.is_common(password))
        password_hash = await self.passwords.hash(password)
        async with self.begin(None) as work:
            user = (await _locked(work, email)).with_password(password_hash)
            await work.users.save(user)
            await work.login_sessions.revoke(user.id, now=self.clock.now())
            await note(work, Deed.ACCOUNT_PASSWORD_CHANGED, user.id, by=None)
            await work.commit()
        await self.changes.announce(user.id)
        return user


@frozen(kw_only=True)
class DisableUser:
    """Lock somebody out, or let them in again.

    - Sessions end, keys stop and no password opens anything, at once on every process.
    - Let in again they log in anew; their keys work again.
    """

    begin: UnitOfWorkFactory
    changes: AccessChanges
    clock: Clock

    async def __call__(self, *, email: str, undo: bool = False) -> User:
        """`NotFound` when nobody has this e-mail."""
        now = self.clock.now()
        async with self.begin(None) as work:
            user = await _locked(work, email)
            if undo:
                user = evolve(user, disabled_at=None)
            elif user.is_active:
                user = user.disabled(now)
            await work.users.save(user)
            if not undo:
                await work.login_sessions.revoke(user.id, now=now)
            await note(work, Deed.ACCOUNT_CHANGED, user.id, by=None)
            await work.commit()
        await self.changes.announce(user.id)
        return user


@frozen(kw_only=True)
class SetRole:
    """A role in a workspace for somebody, whether or not they belonged to it. The last owner stays one."""

    begin: UnitOfWorkFactory
    changes: AccessChanges
    clock: Clock

    async def __call__(self, *, email: str, workspace: str, role: Role) -> Workspace:
        """`workspace` is an id or an unambiguous name. `NotFound`, or `Conflict` with code `last_owner`."""
        async with self.begin(None) as work:
            user = await _found(work, email)
            chosen = await _workspace(work, workspace)
            await work.workspaces.lock(chosen.id)
            place = await work.workspaces.membership(chosen.id, user.id)
            if place is None:
                await work.workspaces.add_member(
                    Membership(workspace_id=chosen.id, user_id=user.id, role=role, joined_at=self.clock.now())
                )
            else:
                await check_change(work, place, by=Role.OWNER, to=role)
                await work.workspaces.save_member(evolve(place, role=role))
            await note(work, Deed.MEMBER_CHANGED, user.id, by=None, workspace_id=chosen.id)
            await work.commit()
        await self.changes.announce(user.id, chosen.id)
        return chosen


async def _found(work: UnitOfWork, email: str) -> User:
    user = await work.users.by_email(normalise_email(email))
    if user is None:
        raise NotFound(f"Nobody has the e-mail {email!r}.")
    return user


async def _locked(work: UnitOfWork, email: str) -> User:
    found = await _found(work, email)
    user = await work.users.lock(found.id)
    if user is None:
        raise NotFound(f"Nobody has the e-mail {email!r}.")
    return user


async def _workspace(work: UnitOfWork, name: str) -> Workspace:
    fitting = await work.workspaces.named(name)
    if not fitting:
        raise NotFound(f"No workspace is called {name!r}.")
    if len(fitting) > 1:
        ids = ", ".join(str(workspace.id) for workspace in fitting[:10])
        raise InvalidInput(f"Several workspaces are called {name!r}; name one of these by its id: {ids}")
    return fitting[0]
