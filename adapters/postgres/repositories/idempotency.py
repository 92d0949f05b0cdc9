"""Keys under which something is done once."""

from datetime import datetime
from uuid import UUID

from attrs import asdict
from sqlalchemy import delete, or_, select, true, update
from sqlalchemy.dialects import postgresql

from adapters.postgres.request_tables import idempotency_keys as keys
from adapters.postgres.session import Session
from application.errors import AlreadyExists, ConcurrentChange
from application.ports.idempotency import Reservation


class PostgresIdempotencyKeys:
    """Keeps the promises of `application.ports.idempotency.IdempotencyKeys`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def get(self, digest: bytes) -> Reservation | None:
        """By key, locked until the transaction ends."""
        row = await self._session.one(select(keys).where(keys.c.digest == digest).with_for_update())
        return Reservation(**row) if row else None

    async def add(self, reservation: Reservation) -> None:
        """A new one; the transaction stays usable when the key is in use."""
        added = await self._session.execute(
            postgresql.insert(keys).values(asdict(reservation)).on_conflict_do_nothing(index_elements=[keys.c.digest])
        )
        if not added.rowcount:
            raise AlreadyExists("The idempotency key is in use.", constraint="pk_idempotency_keys")

    async def save(self, reservation: Reservation, *, held: UUID) -> None:
        """Its present state, while the attempt holds it."""
        saved = await self._session.execute(
            update(keys)
            .where(
                keys.c.digest == reservation.digest,
                keys.c.token == held,
                or_(~keys.c.is_done, true() if reservation.is_done else ~true()),
            )
            .values(asdict(reservation))
        )
        if not saved.rowcount:
            raise ConcurrentChange("Another attempt holds this idempotency key.")

    async def release(self, digest: bytes, *, held: UUID) -> None:
        """Forget an attempt that did nothing."""
        await self._session.execute(delete(keys).where(keys.c.digest == digest, keys.c.token == held, ~keys.c.is_done))

    async def forget(self, *, before: datetime) -> int:
        """Drop those made before."""
        return (await self._session.execute(delete(keys).where(keys.c.created_at <= before))).rowcount
