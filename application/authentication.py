"""Who is it: registration, log in, sessions, and from a token to an `Actor`."""

from datetime import timedelta
from enum import StrEnum

from attrs import field, frozen

from application.errors import AlreadyExists
from application.ports.repositories import WorkspaceOfUser
from application.ports.security import AccessClaims, PasswordHasher, Tokens
from application.ports.system import Clock, Ids
from application.ports.unit_of_work import UnitOfWork, UnitOfWorkFactory
from domain.access import ALL_SCOPES, Actor, Role, Scope
from domain.errors import (
    EmailTaken,
    Forbidden,
    InvalidCredentials,
    InvalidInput,
    NotFound,
    TokenReused,
    Unauthenticated,
)
from domain.ids import CollectionId, SessionId, UserId, WorkspaceId
from domain.users import MAX_NAME_LENGTH, LoginSession, User, check_password, normalise_email
from domain.workspaces import DEFAULT_COLLECTION, Collection, Membership, Workspace

REFRESH_PREFIX = "rrr_"


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


@frozen(kw_only=True)
class Registered:
    """A new account."""

    user: User
    workspace: Workspace


@frozen(kw_only=True)
class TokenPair:
    """What a client keeps: the access token for requests, the refresh token for the next pair."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: int  # seconds


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
class LogIn:
    """Exchange e-mail and password for a token pair; a new login session for this device.

    - Unknown e-mail, wrong password and disabled user are told the same and take the same time.
    """

    begin: UnitOfWorkFactory
    passwords: PasswordHasher
    tokens: Tokens
    clock: Clock
    ids: Ids
    access_ttl: timedelta
    refresh_ttl: timedelta

    async def __call__(self, *, email: str, password: str, device: str = "") -> TokenPair:
        """`InvalidCredentials` unless both fit."""
        try:
            address = normalise_email(email)
        except InvalidInput:
            address = ""
        async with self.begin(None) as work:
            user = await work.users.by_email(address) if address else None
        fits = await self.passwords.verify(password, user.password_hash if user else None)
        if user is None or not fits or not user.is_active:
            raise InvalidCredentials("The e-mail or the password is wrong.")
        rehashed = await self.passwords.hash(password) if self.passwords.needs_rehash(user.password_hash) else None

        now = self.clock.now()
        refresh = self.tokens.new_opaque(REFRESH_PREFIX)
        session = LoginSession(
            id=SessionId(self.ids.new()),
            user_id=user.id,
            token_hash=refresh.digest,
            device=device[:400],
            created_at=now,
            last_used_at=now,
            expires_at=now + self.refresh_ttl,
        )
        async with self.begin(None) as work:
            await work.login_sessions.add(session)
            if rehashed:
                await work.users.save(user.with_password(rehashed))
            await work.commit()
        return _pair(self.tokens, session, refresh.secret, access_ttl=self.access_ttl, clock=self.clock)


@frozen(kw_only=True)
class RefreshSession:
    """Spend a refresh token for a new pair.

    - A token spent before revokes its whole login session.
    """

    begin: UnitOfWorkFactory
    tokens: Tokens
    clock: Clock
    access_ttl: timedelta
    refresh_ttl: timedelta

    async def __call__(self, *, refresh_token: str) -> TokenPair:
        """`Unauthenticated` (code `invalid_token`) for an unknown or expired one, `TokenReused` for a spent one."""
        presented = self.tokens.digest(refresh_token)
        replacement = self.tokens.new_opaque(REFRESH_PREFIX)
        now = self.clock.now()
        async with self.begin(None) as work:
            session = await work.login_sessions.by_token(presented)
            user = await work.users.get(session.user_id) if session else None
            if session is None or user is None or not user.is_active:
                raise Unauthenticated("The refresh token is not valid any more. Log in again.", code="invalid_token")
            try:
                session = session.rotate(
                    presented=presented, replacement=replacement.digest, now=now, ttl=self.refresh_ttl
                )
            except TokenReused:
                await work.login_sessions.save(session.revoked(now))
                await work.commit()
                raise
            await work.login_sessions.save(session)
            await work.commit()
        return _pair(self.tokens, session, replacement.secret, access_ttl=self.access_ttl, clock=self.clock)


def _pair(tokens: Tokens, session: LoginSession, refresh: str, *, access_ttl: timedelta, clock: Clock) -> TokenPair:
    claims = AccessClaims(user_id=session.user_id, session_id=session.id, expires_at=clock.now() + access_ttl)
    return TokenPair(
        access_token=tokens.issue_access(claims),
        refresh_token=refresh,
        expires_in=int(access_ttl.total_seconds()),
    )


@frozen(kw_only=True)
class LogOut:
    """End the login session of a refresh token; its access tokens stop working at once."""

    begin: UnitOfWorkFactory
    tokens: Tokens
    clock: Clock

    async def __call__(self, identity: Identity, *, refresh_token: str) -> None:
        """Another user's or an unknown token ends nothing and is not told apart."""
        async with self.begin(None) as work:
            session = await work.login_sessions.by_token(self.tokens.digest(refresh_token))
            if session is None or session.user_id != identity.user_id:
                return
            await work.login_sessions.save(session.revoked(self.clock.now()))
            await work.commit()


@frozen(kw_only=True)
class Authenticate:
    """From the token of a request to a proven person."""

    begin: UnitOfWorkFactory
    tokens: Tokens
    clock: Clock

    async def __call__(self, token: str) -> Identity:
        """`Unauthenticated` unless the token is genuine and its session and user are still good."""
        claims = self.tokens.read_access(token)
        async with self.begin(None) as work:
            session = await work.login_sessions.get(claims.session_id)
            user = await work.users.get(claims.user_id)
        if session is None or user is None or not user.is_active or not session.is_live(self.clock.now()):
            raise Unauthenticated("This login session has ended. Log in again.", code="invalid_token")
        return Identity(user_id=user.id, session_id=session.id)


@frozen(kw_only=True)
class EnterWorkspace:
    """From a person to what they may do in one workspace."""

    begin: UnitOfWorkFactory

    async def __call__(self, identity: Identity, workspace_id: WorkspaceId) -> Actor:
        """`NotFound` unless they are a member."""
        async with self.begin(workspace_id) as work:
            membership = await work.workspaces.membership(workspace_id, identity.user_id)
            if membership is None:
                raise NotFound("There is no such workspace, or you are not a member of it.")
            readable = await work.collections.readable_by(workspace_id, identity.user_id, membership.role)
        return Actor(
            user_id=identity.user_id,
            workspace_id=workspace_id,
            role=membership.role,
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

    async def __call__(self, identity: Identity) -> Profile:
        """`Unauthenticated` when the user is gone."""
        async with self.begin(None) as work:
            user = await work.users.get(identity.user_id)
            if user is None:
                raise Unauthenticated("This user does not exist any more.", code="invalid_token")
            return Profile(user=user, workspaces=tuple(await work.workspaces.of_user(user.id)))
