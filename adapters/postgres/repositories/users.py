"""People and their login sessions."""

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import and_, bindparam, delete, func, insert, or_, select, union, update
from sqlalchemy.dialects import postgresql

from adapters.postgres.mapping import session_from, session_values, user_from, user_values
from adapters.postgres.prepared import Prepared
from adapters.postgres.session import Session, after_key
from adapters.postgres.tables import UQ_USERS_EMAIL, login_sessions, spent_tokens, users
from application.errors import AlreadyExists
from domain.ids import SessionId, UserId
from domain.users import LoginSession, User

_BY_ID: Final = Prepared.of(select(users).where(users.c.id == bindparam("id")))
_LOCKED: Final = Prepared.of(select(users).where(users.c.id == bindparam("id")).with_for_update(key_share=True))
_BY_EMAIL: Final = Prepared.of(select(users).where(users.c.email == bindparam("email")))
_ADD_SESSION: Final = Prepared.of(insert(login_sessions), [column.name for column in login_sessions.c])
_LIVE: Final = Prepared.of(
    select(login_sessions.c.id)
    .join(users, users.c.id == login_sessions.c.user_id)
    .where(
        login_sessions.c.id == bindparam("id"),
        login_sessions.c.user_id == bindparam("user_id"),
        login_sessions.c.revoked_at.is_(None),
        login_sessions.c.expires_at > bindparam("now"),
        users.c.disabled_at.is_(None),
    )
)


class PostgresUsers:
    """Keeps the promises of `application.ports.repositories.Users`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def get(self, user_id: UserId) -> User | None:
        """By id."""
        row = await self._session.first(_BY_ID, id=user_id)
        return user_from(row) if row else None

    async def lock(self, user_id: UserId) -> User | None:
        """By id, held until the transaction ends; rows that point at it may still be written."""
        row = await self._session.first(_LOCKED, id=user_id)
        return user_from(row) if row else None

    async def by_email(self, email: str) -> User | None:
        """By normalised e-mail."""
        row = await self._session.first(_BY_EMAIL, email=email)
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
        row = await self._session.one(select(login_sessions).where(login_sessions.c.id == session_id))
        return session_from(row) if row else None

    async def is_live(self, session_id: SessionId, user_id: UserId, *, now: datetime) -> bool:
        """Whether it is this user's and both are good."""
        row = await self._session.first(_LIVE, id=session_id, user_id=user_id, now=now)
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
        row = await self._session.one(
            select(login_sessions, spent_tokens.c.spent_at)
            .outerjoin(
                spent_tokens,
                and_(spent_tokens.c.session_id == login_sessions.c.id, spent_tokens.c.token_hash == token_hash),
            )
            .where(login_sessions.c.id == identifier)
        )
        if row is None:
            return None
        return session_from(row, spent={token_hash: row["spent_at"]} if row["spent_at"] else None)

    async def add(self, session: LoginSession) -> None:
        """A new one."""
        await self._session.rows(_ADD_SESSION, **session_values(session))
        await self._spend(session)

    async def save(self, session: LoginSession) -> None:
        """The present state, and spent tokens that are new."""
        await self._session.execute(
            update(login_sessions).where(login_sessions.c.id == session.id).values(session_values(session))
        )
        await self._spend(session)

    async def of_user(self, user_id: UserId, *, now: datetime) -> list[LoginSession]:
        """Live ones, newest first."""
        rows = await self._session.all(
            select(login_sessions)
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

    async def forget(self, *, before: datetime, keep: int) -> None:
        """What nobody can use or misuse any more."""
        over = or_(login_sessions.c.revoked_at < before, login_sessions.c.expires_at < before)
        await self._session.execute(delete(login_sessions).where(over))
        await self._session.execute(delete(spent_tokens).where(spent_tokens.c.spent_at < before))
        full = (
            select(spent_tokens.c.session_id).group_by(spent_tokens.c.session_id).having(func.count() > keep).subquery()
        )
        place = func.row_number().over(partition_by=spent_tokens.c.session_id, order_by=spent_tokens.c.spent_at.desc())
        ranked = (
            select(spent_tokens.c.token_hash, spent_tokens.c.session_id, place.label("place"))
            .where(spent_tokens.c.session_id.in_(select(full.c.session_id)))
            .subquery()
        )
        await self._session.execute(
            delete(spent_tokens).where(
                spent_tokens.c.session_id == ranked.c.session_id,
                spent_tokens.c.token_hash == ranked.c.token_hash,
                ranked.c.place > keep,
            )
        )

    async def _spend(self, session: LoginSession) -> None:
        if session.spent:
            await self._session.execute(
                postgresql.insert(spent_tokens).on_conflict_do_nothing(),
                [
                    {"token_hash": token_hash, "session_id": session.id, "spent_at": spent_at}
                    for token_hash, spent_at in session.spent.items()
                ],
            )
