"""Who is it: registration, and from a token to an `Actor`."""

from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Final

from attrs import evolve, field, frozen

from application.access_memory import AccessMemory, Learned
from application.auditing import note
from application.errors import AlreadyExists
from application.invitations import admit, open_invitation
from application.ports.repositories import WorkspaceOfUser
from application.ports.security import PasswordHasher, Tokens
from application.ports.system import Clock, Ids
from application.ports.unit_of_work import UnitOfWork, UnitOfWorkFactory
from domain.access import ALL_SCOPES, Actor, Role, Scope
from domain.api_keys import ApiKey
from domain.audit import Deed
from domain.errors import (
    EmailTaken,
    Forbidden,
    NotFound,
    Unauthenticated,
)
from domain.ids import ApiKeyId, CollectionId, SessionId, UserId, WorkspaceId
from domain.users import User, check_password, normalise_email
from domain.workspaces import DEFAULT_COLLECTION, Collection, Membership, Workspace, check_name

KEY_PREFIX: Final = "rrk_"


class RegistrationMode(StrEnum):
    """Who may make an account without an administrator."""

    OPEN = "open"
    INVITE = "invite"
    CLOSED = "closed"


@frozen(kw_only=True)
class Identity:
    """A proven person and what their credential may be used for.

    An API key stands for its person in one workspace (`workspace_id`) and, where `collection_ids` is not None, in
    these collections only.
    """

    user_id: UserId
    session_id: SessionId | None = None
    api_key_id: ApiKeyId | None = None
    scopes: frozenset[Scope] = field(default=ALL_SCOPES)
    workspace_id: WorkspaceId | None = None
    collection_ids: frozenset[CollectionId] | None = None
    expires_at: datetime | None = None  # when the credential ends by itself

    def require_person(self) -> None:
        """Raise `Forbidden` for an API key: accounts and memberships are for whoever logs in."""
        if self.api_key_id is not None:
            raise Forbidden("An API key cannot do this. Log in as a person.")


async def session_identity(work: UnitOfWork, session_id: SessionId, user_id: UserId, *, now: datetime) -> Identity:
    """The person of a login session; `Unauthenticated` unless it and they are still good."""
    if not await work.login_sessions.is_live(session_id, user_id, now=now):
        raise Unauthenticated("This login session has ended. Log in again.", code="invalid_token")
    return Identity(user_id=user_id, session_id=session_id)


def identity_of_key(key: ApiKey | None, *, now: datetime) -> Identity:
    """Whom a stored key stands for; `Unauthenticated` for none, or one that has expired."""
    if key is None:
        raise Unauthenticated("The API key is not valid.", code="invalid_token")
    if not key.is_live(now):
        raise Unauthenticated("The API key has expired.", code="token_expired")
    return Identity(
        user_id=key.user_id,
        api_key_id=key.id,
        scopes=key.scopes,
        workspace_id=key.workspace_id,
        collection_ids=key.collection_ids,
        expires_at=key.expires_at,
    )


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
    tokens: Tokens
    clock: Clock
    ids: Ids

    async def __call__(
        self,
        *,
        email: str,
        password: str,
        name: str,
        workspace_name: str | None = None,
        invitation: str | None = None,
    ) -> Registered:
        """`EmailTaken`, `WeakPassword` or `InvalidInput` when it cannot be.

        With the token of an `invitation` they also join its workspace; `NotFound` when it is not for them.
        """
        address = normalise_email(email)
        person = check_name(name)
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
            await note(work, Deed.ACCOUNT_CREATED, user.id, by=Identity(user_id=user.id))
            await note(
                work, Deed.WORKSPACE_CREATED, workspace.id, by=Identity(user_id=user.id), workspace_id=workspace.id
            )
            if invitation is not None:
                await admit(work, self.tokens.digest(invitation), user, now=now)
            registered = Registered(user=user, workspace=workspace)
            await work.commit(registered)
        return registered


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
    """Make an account for whoever asks, where the installation allows it.

    - Where it takes invited people only, the token of an invitation to this e-mail is needed.
    - With such a token the new user also joins the workspace that invites them.
    """

    begin: UnitOfWorkFactory
    create_user: CreateUser
    tokens: Tokens
    clock: Clock
    mode: RegistrationMode

    async def __call__(self, *, email: str, password: str, name: str, invitation: str | None = None) -> Registered:
        """`Forbidden` (`registration_closed`), `NotFound` (`invalid_invitation`), or as `CreateUser`."""
        if self.mode is RegistrationMode.CLOSED or (self.mode is RegistrationMode.INVITE and invitation is None):
            raise Forbidden(
                "This installation does not take new accounts from the outside. Ask an administrator for one."
                if self.mode is RegistrationMode.CLOSED
                else "This installation takes invited people only. Ask for an invitation.",
                code="registration_closed",
            )
        if invitation is not None:  # before a hash is made for nobody
            async with self.begin(None) as work:
                now = self.clock.now()
                await open_invitation(work, self.tokens.digest(invitation), email=normalise_email(email), now=now)
        return await self.create_user(email=email, password=password, name=name, invitation=invitation)


@frozen(kw_only=True)
class Authenticate:
    """From the token or API key of a request to a proven person."""

    begin: UnitOfWorkFactory
    tokens: Tokens
    memory: AccessMemory
    clock: Clock

    async def __call__(self, token: str) -> Identity:
        """`Unauthenticated` unless the credential is genuine, and it and its person are still good."""
        is_key = token.startswith(KEY_PREFIX)
        ask = partial(self._ask_for_key if is_key else self._ask_for_session, token)
        identity: Identity = await self.memory.recall(("token", token), ask)
        if identity.expires_at is not None and identity.expires_at <= self.clock.now():
            await ask()  # refuses, unless clocks may differ by that little
        return identity

    async def _ask_for_session(self, token: str) -> Learned:
        claims = self.tokens.read_access(token)
        async with self.begin(None) as work:
            identity = await session_identity(work, claims.session_id, claims.user_id, now=self.clock.now())
        return Learned(evolve(identity, expires_at=claims.expires_at), (claims.user_id, claims.session_id))

    async def _ask_for_key(self, token: str) -> Learned:
        now = self.clock.now()
        async with self.begin(None) as work:
            key = await work.api_keys.by_token(self.tokens.digest(token))
            identity = identity_of_key(key, now=now)
            if key is None:
                raise LookupError("a key without an identity")
            if key.use_is_worth_noting(now):
                await work.api_keys.note_use(key.id, now)
                await work.commit()
        return Learned(identity, (key.id, key.user_id, key.workspace_id))


@frozen(kw_only=True)
class EnterWorkspace:
    """From a person to what they may do in one workspace."""

    begin: UnitOfWorkFactory
    memory: AccessMemory

    async def __call__(self, identity: Identity, workspace_id: WorkspaceId) -> Actor:
        """`NotFound` unless they are a member, and their credential is for this workspace."""
        if identity.workspace_id not in {None, workspace_id}:
            raise _no_such_workspace()

        async def ask() -> Learned:
            async with self.begin(workspace_id) as work:
                membership = await work.workspaces.membership(workspace_id, identity.user_id)
                if membership is None:
                    raise _no_such_workspace()
                readable = await work.collections.readable_by(workspace_id, identity.user_id, membership.role)
            return Learned((membership.role, readable), (identity.user_id, workspace_id))

        role, readable = await self.memory.recall(("place", identity.user_id, workspace_id), ask)
        if identity.collection_ids is not None:
            readable &= identity.collection_ids
        return Actor(
            user_id=identity.user_id,
            workspace_id=workspace_id,
            role=role,
            scopes=identity.scopes,
            readable_collections=readable,
            api_key_id=identity.api_key_id,
        )


def _no_such_workspace() -> NotFound:
    return NotFound("There is no such workspace, or you are not a member of it.")


@frozen(kw_only=True)
class Profile:
    """A person and where they belong."""

    user: User
    workspaces: tuple[WorkspaceOfUser, ...]


@frozen(kw_only=True)
class ShowProfile:
    """Who am I, and where do I belong; an API key belongs to its workspace alone."""

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

        profile: Profile = await self.memory.recall(("profile", identity.user_id), ask)
        if identity.workspace_id is None:
            return profile
        return evolve(
            profile, workspaces=tuple(of for of in profile.workspaces if of.workspace.id == identity.workspace_id)
        )
