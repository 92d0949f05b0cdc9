"""Who is it: registration, and from a token to an `Actor`."""

from enum import StrEnum
from typing import cast

from attrs import field, frozen

from application.access_memory import AccessMemory, Learned
from application.errors import AlreadyExists
from application.ports.repositories import WorkspaceOfUser
from application.ports.security import PasswordHasher, Tokens
from application.ports.system import Clock, Ids
from application.ports.unit_of_work import UnitOfWork, UnitOfWorkFactory
from domain.access import ALL_SCOPES, Actor, Role, Scope
from domain.errors import (
    EmailTaken,
    Forbidden,
    InvalidInput,
    NotFound,
    Unauthenticated,
)
from domain.ids import CollectionId, SessionId, UserId, WorkspaceId
from domain.users import MAX_NAME_LENGTH, User, check_password, normalise_email
from domain.workspaces import DEFAULT_COLLECTION, Collection, Membership, Workspace


class RegistrationMode(StrEnum):
    """Who may make an account without an administrator."""

    OPEN = "open"
    INVITE = "invite"
    CLOSED = "closed"


@frozen(kw_only=True)
class Identity:
    """A proven person and what their credential may be used for."""

    user_id: UserId
    session_id: SessionId | None = None
    scopes: frozenset[Scope] = field(default=ALL_SCOPES)

    def require_person(self) -> None:
        """Every credential there is stands for the whole person."""


@frozen(kw_only=True)
class Registered:
    """A new account."""

    user: User
    workspace: Workspace


@frozen(kw_only=True)
class CreateUser:
    """Make a user who owns a workspace of their own with the collection `General`.

    - The e-mail is taken only once, in any spelling of upper and lower case.
    - The password has at least twelve characters and is none of the common ones.
    """

    begin: UnitOfWorkFactory
    passwords: PasswordHasher
    clock: Clock
    ids: Ids

    async def __call__(self, *, email: str, password: str, name: str, workspace_name: str | None = None) -> Registered:
        """`EmailTaken`, `WeakPassword` or `InvalidInput` when it cannot be."""
        address = normalise_email(email)
        person = " ".join(name.split())
        if not person or len(person) > MAX_NAME_LENGTH or not person.isprintable():
            raise InvalidInput(f"A name needs 1 to {MAX_NAME_LENGTH} printable characters.", pointer="/name")
        check_password(password, is_common=self.passwords.is_common(password))
        password_hash = await self.passwords.hash(password)

        now = self.clock.now()
        user = User(id=UserId(self.ids.new()), email=address, name=person, password_hash=password_hash, created_at=now)
        workspace = Workspace(
            id=WorkspaceId(self.ids.new()), name=workspace_name or f"{person}'s workspace"[:200], created_at=now
        )
        async with self.begin(None) as work:
            try:
                await work.users.add(user)
            except AlreadyExists as error:
                raise EmailTaken("A user with this e-mail exists. Log in instead.") from error
            await found_workspace(work, workspace, owner=user.id, collection_id=CollectionId(self.ids.new()))
            await work.commit()
        return Registered(user=user, workspace=workspace)


async def found_workspace(
    work: UnitOfWork, workspace: Workspace, *, owner: UserId, collection_id: CollectionId
) -> None:
    """Add a workspace with its owner and its default collection."""
    await work.workspaces.add(workspace)
    await work.workspaces.add_member(
        Membership(workspace_id=workspace.id, user_id=owner, role=Role.OWNER, joined_at=workspace.created_at)
    )
    await work.collections.add(
        Collection(
            id=collection_id,
            workspace_id=workspace.id,
            name=DEFAULT_COLLECTION,
            is_default=True,
            created_at=workspace.created_at,
        )
    )


@frozen(kw_only=True)
class Register:
    """Make an account for whoever asks, where the installation allows it."""

    create_user: CreateUser
    mode: RegistrationMode

    async def __call__(self, *, email: str, password: str, name: str) -> Registered:
        """`Forbidden` with code `registration_closed` unless registration is open."""
        if self.mode is not RegistrationMode.OPEN:
            raise Forbidden(
                "This installation does not take new accounts from the outside. Ask an administrator for one.",
                code="registration_closed",
            )
        return await self.create_user(email=email, password=password, name=name)


@frozen(kw_only=True)
class Authenticate:
    """From the token of a request to a proven person."""

    begin: UnitOfWorkFactory
    tokens: Tokens
    memory: AccessMemory
    clock: Clock

    async def __call__(self, token: str) -> Identity:
        """`Unauthenticated` unless the token is genuine and its session and user are still good."""

        async def ask() -> Learned:
            claims = self.tokens.read_access(token)
            async with self.begin(None) as work:
                if not await work.login_sessions.is_live(claims.session_id, claims.user_id, now=self.clock.now()):
                    raise Unauthenticated("This login session has ended. Log in again.", code="invalid_token")
            identity = Identity(user_id=claims.user_id, session_id=claims.session_id)
            return Learned((identity, claims.expires_at), (claims.user_id, claims.session_id))

        identity, expires_at = await self.memory.recall(("token", token), ask)
        if expires_at <= self.clock.now():
            self.tokens.read_access(token)  # says so, unless clocks may differ by that little
        return cast(Identity, identity)


@frozen(kw_only=True)
class EnterWorkspace:
    """From a person to what they may do in one workspace."""

    begin: UnitOfWorkFactory
    memory: AccessMemory

    async def __call__(self, identity: Identity, workspace_id: WorkspaceId) -> Actor:
        """`NotFound` unless they are a member."""

        async def ask() -> Learned:
            async with self.begin(workspace_id) as work:
                membership = await work.workspaces.membership(workspace_id, identity.user_id)
                if membership is None:
                    raise NotFound("There is no such workspace, or you are not a member of it.")
                readable = await work.collections.readable_by(workspace_id, identity.user_id, membership.role)
            return Learned((membership.role, readable), (identity.user_id, workspace_id))

        role, readable = await self.memory.recall(("place", identity.user_id, workspace_id), ask)
        return Actor(
            user_id=identity.user_id,
            workspace_id=workspace_id,
            role=role,
            scopes=identity.scopes,
            readable_collections=readable,
        )


@frozen(kw_only=True)
class Profile:
    """A person and where they belong."""

    user: User
    workspaces: tuple[WorkspaceOfUser, ...]


@frozen(kw_only=True)
class ShowProfile:
    """Who am I."""

    begin: UnitOfWorkFactory
    memory: AccessMemory

    async def __call__(self, identity: Identity) -> Profile:
        """`Unauthenticated` when the user is gone."""

        async def ask() -> Learned:
            async with self.begin(None) as work:
                user = await work.users.get(identity.user_id)
                if user is None:
                    raise Unauthenticated("This user does not exist any more.", code="invalid_token")
                places = tuple(await work.workspaces.of_user(user.id))
            return Learned(Profile(user=user, workspaces=places), (user.id, *(place.workspace.id for place in places)))

        return cast(Profile, await self.memory.recall(("profile", identity.user_id), ask))
