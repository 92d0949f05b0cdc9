"""Reservations of idempotency keys in memory."""

from datetime import datetime
from uuid import UUID

from attrs import define

from application.errors import ConcurrentChange
from application.ports.idempotency import Reservation
from tests.fakes.database import FakeTransaction

IDEMPOTENCY = "idempotency_keys"


@define(eq=False)
class FakeIdempotencyKeys:
    _transaction: FakeTransaction

    async def get(self, digest: bytes) -> Reservation | None:
        await self._transaction.lock(IDEMPOTENCY, digest)
        return self._find(digest)

    async def add(self, reservation: Reservation) -> None:
        await self._transaction.add(IDEMPOTENCY, reservation.digest, reservation)

    async def save(self, reservation: Reservation, *, held: UUID) -> None:
        await self._transaction.lock(IDEMPOTENCY, reservation.digest)
        stored = self._find(reservation.digest)
        if stored is None or stored.token != held or (stored.is_done and not reservation.is_done):
            raise ConcurrentChange("another attempt holds the key")
        self._transaction.put(IDEMPOTENCY, reservation.digest, reservation)

    async def release(self, digest: bytes, *, held: UUID) -> None:
        await self._transaction.lock(IDEMPOTENCY, digest)
        stored = self._find(digest)
        if stored is not None and stored.token == held and not stored.is_done:
            self._transaction.delete(IDEMPOTENCY, digest)

    async def forget(self, *, before: datetime) -> int:
        old = [row for row in self._transaction.rows(IDEMPOTENCY) if row.created_at <= before]
        for row in old:
            self._transaction.delete(IDEMPOTENCY, row.digest)
        return len(old)

    def _find(self, digest: bytes) -> Reservation | None:
        found: Reservation | None = self._transaction.first(IDEMPOTENCY, lambda row: bool(row.digest == digest))
        return found
