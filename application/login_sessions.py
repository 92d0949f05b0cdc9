"""Login sessions: log in, stay logged in, see and end what is logged in."""

from datetime import timedelta
from typing import Final

from attrs import field, frozen

from application.auditing import note
from application.authentication import Identity
from application.ports.access import AccessChanges
from application.ports.security import AccessClaims, PasswordHasher, Tokens
from application.ports.system import Clock, Ids
from application.ports.unit_of_work import UnitOfWorkFactory
from domain.audit import Deed
from domain.errors import (
    Conflict,
    InvalidCredentials,
    InvalidInput,
    NotFound,
    TokenReused,
    Unauthenticated,
)
from domain.ids import SessionId
from domain.users import MAX_SPENT_TOKENS, LoginSession, check_password, normalise_email

REFRESH_PREFIX: Final = "rrr_"


@frozen(kw_only=True)
class TokenPair:
    """What a client keeps: the access token for requests, the refresh token for the next pair."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: int  # seconds


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
            async with self.begin(None) as work:  # for an unknown one too, so that both take as long
                await note(work, Deed.ACCOUNT_LOGIN_FAILED, user.id if user else None, by=None)
                await work.commit()
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
            present = await work.users.lock(user.id)  # the password may have changed while it was being compared
            if present is None or not present.is_active or present.password_hash != user.password_hash:
                raise InvalidCredentials("The e-mail or the password is wrong.")
            await work.login_sessions.add(session)
            await note(work, Deed.ACCOUNT_LOGGED_IN, user.id, by=Identity(user_id=user.id))
            if rehashed:
                await work.users.save(present.with_password(rehashed))
            await work.commit()
        return _pair(self.tokens, session, refresh.secret, access_ttl=self.access_ttl, clock=self.clock)


@frozen(kw_only=True)
class RefreshSession:
    """Spend a refresh token for a new pair.

    - A token spent before revokes its whole login session: somebody holds a copy.
    - A client that may have lost the answer repeats the request with the same `Idempotency-Key` within ten seconds
      and gets the same refresh token again, unless that one was spent meanwhile.
    - Of several clients that hold one token exactly one wins.
    """

    begin: UnitOfWorkFactory
    tokens: Tokens
    changes: AccessChanges
    clock: Clock
    access_ttl: timedelta
    refresh_ttl: timedelta

    async def __call__(self, *, refresh_token: str, attempt: str | None = None) -> TokenPair:
        """`Unauthenticated` (code `invalid_token`) for an unknown or expired one, `TokenReused` for a spent one.

        `attempt` is a random word of the client's for this exchange, told to nobody else.
        """
        presented = self.tokens.digest(refresh_token)
        replacement = (
            self.tokens.successor(refresh_token, attempt, REFRESH_PREFIX)
            if attempt
            else self.tokens.new_opaque(REFRESH_PREFIX)
        )
        now = self.clock.now()
        async with self.begin(None) as work:
            session = await work.login_sessions.by_token(presented)
            user = await work.users.get(session.user_id) if session else None
            if session is None or user is None or not user.is_active:
                raise Unauthenticated("The refresh token is not valid any more. Log in again.", code="invalid_token")
            if not session.is_retry(presented=presented, replacement=replacement.digest, now=now):
                try:
                    session = session.rotate(
                        presented=presented, replacement=replacement.digest, now=now, ttl=self.refresh_ttl
                    )
                except TokenReused:
                    await work.login_sessions.save(session.revoked(now))
                    await note(work, Deed.ACCOUNT_TOKEN_REUSED, user.id, by=Identity(user_id=user.id))
                    await work.commit()
                    await self.changes.announce(session.id)
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
    changes: AccessChanges
    clock: Clock

    async def __call__(self, identity: Identity, *, refresh_token: str) -> None:
        """Another user's or an unknown token ends nothing and is not told apart."""
        identity.require_person()
        async with self.begin(None) as work:
            session = await work.login_sessions.by_token(self.tokens.digest(refresh_token))
            if session is None or session.user_id != identity.user_id:
                return
            await work.login_sessions.save(session.revoked(self.clock.now()))
            await note(work, Deed.ACCOUNT_SESSION_ENDED, session.id, by=identity)
            await work.commit()
        await self.changes.announce(session.id)


@frozen(kw_only=True)
class ListSessions:
    """Where you are logged in: device and last use, newest first.

    - A session is used when it is begun and at each refresh, so the time lags by an access token's life at most.
    """

    begin: UnitOfWorkFactory
    clock: Clock

    async def __call__(self, identity: Identity) -> list[LoginSession]:
        """Live ones of this person."""
        identity.require_person()
        async with self.begin(None) as work:
            return await work.login_sessions.of_user(identity.user_id, now=self.clock.now())


@frozen(kw_only=True)
class ShowSession:
    """One of your login sessions."""

    begin: UnitOfWorkFactory
    clock: Clock

    async def __call__(self, identity: Identity, *, session_id: SessionId) -> LoginSession:
        """`NotFound` unless it is a live one of this person."""
        identity.require_person()
        async with self.begin(None) as work:
            session = await work.login_sessions.get(session_id)
        if session is None or session.user_id != identity.user_id or not session.is_live(self.clock.now()):
            raise _no_such_session()
        return session


@frozen(kw_only=True)
class RevokeSession:
    """End one of your login sessions, this one too if you like; its tokens stop working at once."""

    begin: UnitOfWorkFactory
    changes: AccessChanges
    clock: Clock

    async def __call__(self, identity: Identity, *, session_id: SessionId) -> None:
        """`NotFound` unless it is a live one of this person."""
        identity.require_person()
        async with self.begin(None) as work:
            ended = await work.login_sessions.revoke(identity.user_id, now=self.clock.now(), only=session_id)
            if not ended:
                raise _no_such_session()
            await note(work, Deed.ACCOUNT_SESSION_ENDED, session_id, by=identity)
            await work.commit()
        await self.changes.announce(*ended)


@frozen(kw_only=True)
class ChangePassword:
    """Another password.

    - The present one is asked for again.
    - Every other login session is revoked: whoever knew the old password is out.
    """

    begin: UnitOfWorkFactory
    passwords: PasswordHasher
    changes: AccessChanges
    clock: Clock

    async def __call__(self, identity: Identity, *, current_password: str, new_password: str) -> None:
        """`InvalidCredentials`, `WeakPassword` or `InvalidInput`."""
        identity.require_person()
        async with self.begin(None) as work:
            user = await work.users.get(identity.user_id)
        if user is None or not await self.passwords.verify(current_password, user.password_hash):
            raise InvalidCredentials("The current password is wrong.")
        check_password(new_password, is_common=self.passwords.is_common(new_password), pointer="/new_password")
        password_hash = await self.passwords.hash(new_password)
        async with self.begin(None) as work:
            present = await work.users.lock(user.id)
            if present is None or present.password_hash != user.password_hash:
                raise Conflict("The password was changed at the same moment. Log in again.")
            await work.users.save(present.with_password(password_hash))
            ended = await work.login_sessions.revoke(user.id, now=self.clock.now(), but=identity.session_id)
            await note(work, Deed.ACCOUNT_PASSWORD_CHANGED, user.id, by=identity)
            await work.commit()
        await self.changes.announce(*ended)


@frozen(kw_only=True)
class ForgetSessions:
    """Drop what is left of login sessions that are long over, and of refresh tokens that were spent long ago.

    - A token that was spent longer ago than any lives is told apart from a mistyped one no more: both are refused.
    """

    begin: UnitOfWorkFactory
    clock: Clock
    refresh_ttl: timedelta

    async def __call__(self) -> None:
        """To be done once in a while."""
        async with self.begin(None) as work:
            await work.login_sessions.forget(before=self.clock.now() - self.refresh_ttl, keep=MAX_SPENT_TOKENS)
            await work.commit()


def _no_such_session() -> NotFound:
    return NotFound("There is no such login session.")
