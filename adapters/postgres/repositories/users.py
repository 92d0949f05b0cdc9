"""People and their login sessions."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, func, insert, select, union, update
from sqlalchemy.dialects import postgresql

from adapters.postgres.mapping import session_from, session_values, user_from, user_values
from adapters.postgres.session import Session, after_key
from adapters.postgres.tables import UQ_USERS_EMAIL, login_sessions, spent_tokens, users
from application.errors import AlreadyExists
from domain.ids import SessionId, UserId
from domain.users import LoginSession, User


class PostgresUsers:
    """Keeps the promises of `application.ports.repositories.Users`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def get(self, user_id: UserId) -> User | None:
        """By id."""
        row = await self._session.one(select(users).where(users.c.id == user_id))
        return user_from(row) if row else None

    async def lock(self, user_id: UserId) -> User | None:
        """By id, held until the transaction ends; rows that point at it may still be written."""
        row = await self._session.one(select(users).where(users.c.id == user_id).with_for_update(key_share=True))
        return user_from(row) if row else None

    async def by_email(self, email: str) -> User | None:
        """By normalised e-mail."""
        row = await self._session.one(select(users).where(users.c.email == email))
        return user_from(row) if row else None

    async def add(self, user: User) -> None:
        """A new one; the transaction stays usable when the e-mail is taken."""
        added = await self._session.execute(
            postgresql.insert(users).values(user_values(user)).on_conflict_do_nothing(constraint=UQ_USERS_EMAIL)
        )
        if not added.rowcount:
            raise AlreadyExists("A user with this e-mail exists.", constraint=UQ_USERS_EMAIL)

    async def save(self, user: User) -> None:
        """The present state of an existing one."""
        await self._session.execute(update(users).where(users.c.id == user.id).values(user_values(user)))

    async def page(self, *, limit: int, after: UserId | None = None) -> list[User]:
        """Oldest first."""
        keys = (users.c.created_at, users.c.id)
        rows = await self._session.all(select(users).where(*after_key(users, keys, after)).order_by(*keys).limit(limit))
        return [user_from(row) for row in rows]


class PostgresLoginSessions:
    """Keeps the promises of `application.ports.repositories.LoginSessions`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def get(self, session_id: SessionId) -> LoginSession | None:
        """By id, revoked and expired ones too."""
        row = await self._session.one(_with_spent().where(login_sessions.c.id == session_id))
        return session_from(row) if row else None

    async def is_live(self, session_id: SessionId, user_id: UserId, *, now: datetime) -> bool:
        """Whether it is this user's and both are good."""
        row = await self._session.one(
            select(login_sessions.c.id)
            .join(users, users.c.id == login_sessions.c.user_id)
            .where(
                login_sessions.c.id == session_id,
                login_sessions.c.user_id == user_id,
                login_sessions.c.revoked_at.is_(None),
                login_sessions.c.expires_at > now,
                users.c.disabled_at.is_(None),
            )
        )
        return row is not None

    async def by_token(self, token_hash: bytes) -> LoginSession | None:
        """The session whose present or spent token this is, locked until the transaction ends.

        Found, locked and read in three statements: a rotation that commits while this waits for the lock moves
        the token from present to spent, and a single statement would see neither.
        """
        found = await self._session.one(
            union(
                select(login_sessions.c.id).where(login_sessions.c.token_hash == token_hash),
                select(spent_tokens.c.session_id).where(spent_tokens.c.token_hash == token_hash),
            )
        )
        if found is None:
            return None
        identifier: UUID = found["id"]
        await self._session.execute(
            select(login_sessions.c.id).where(login_sessions.c.id == identifier).with_for_update()
        )
        return await self.get(SessionId(identifier))

    async def add(self, session: LoginSession) -> None:
        """A new one."""
        await self._session.execute(insert(login_sessions).values(session_values(session)))
        await self._spend(session.id, tuple(session.spent))

    async def save(self, session: LoginSession) -> None:
        """The present state, spent tokens included."""
        await self._session.execute(
            update(login_sessions).where(login_sessions.c.id == session.id).values(session_values(session))
        )
        known = await self._session.all(
            select(spent_tokens.c.token_hash).where(spent_tokens.c.session_id == session.id)
        )
        await self._spend(session.id, tuple(session.spent - {row["token_hash"] for row in known}))

    async def of_user(self, user_id: UserId, *, now: datetime) -> list[LoginSession]:
        """Live ones, newest first."""
        rows = await self._session.all(
            _with_spent()
            .where(
                login_sessions.c.user_id == user_id,
                login_sessions.c.revoked_at.is_(None),
                login_sessions.c.expires_at > now,
            )
            .order_by(login_sessions.c.created_at.desc(), login_sessions.c.id.desc())
        )
        return [session_from(row) for row in rows]

    async def revoke(
        self,
        user_id: UserId,
        *,
        now: datetime,
        only: SessionId | None = None,
        but: SessionId | None = None,
    ) -> list[SessionId]:
        """End live ones of the user."""
        which = [] if only is None else [login_sessions.c.id == only]
        which += [] if but is None else [login_sessions.c.id != but]
        rows = await self._session.all(
            update(login_sessions)
            .where(
                login_sessions.c.user_id == user_id,
                login_sessions.c.revoked_at.is_(None),
                login_sessions.c.expires_at > now,
                *which,
            )
            .values(revoked_at=now)
            .returning(login_sessions.c.id)
        )
        return [SessionId(row["id"]) for row in rows]

    async def _spend(self, session_id: SessionId, hashes: Sequence[bytes]) -> None:
        if hashes:
            await self._session.execute(
                postgresql.insert(spent_tokens).on_conflict_do_nothing(),
                [{"token_hash": token_hash, "session_id": session_id} for token_hash in hashes],
            )


def _with_spent() -> Select[tuple[object, ...]]:
    spent = select(spent_tokens.c.token_hash).where(spent_tokens.c.session_id == login_sessions.c.id)
    return select(login_sessions, func.array(spent.scalar_subquery()).label("spent"))
