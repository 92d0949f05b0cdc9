"""Requests that are done once, however often they are sent."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from attrs import field, frozen

from domain.ids import UserId, WorkspaceId


@frozen(kw_only=True)
class Reservation:
    """A key in use: by an attempt that runs, or by one that did its work."""

    digest: bytes  # SHA-256 of who, where and which key
    user_id: UserId | None  # None: of somebody who has no account yet
    workspace_id: WorkspaceId | None
    fingerprint: bytes = b""  # of what was asked for, sealed; empty while the body is still being read
    token: UUID  # of the attempt: whoever takes over sets another, and the earlier attempt cannot commit any more
    created_at: datetime
    leased_until: datetime  # from then on an attempt that runs counts as dead
    is_done: bool = False
    answer: bytes | None = field(default=None, repr=False)  # sealed; None: what was done has no answer on record


class IdempotencyKeys(Protocol):
    """Reservations; part of a unit of work, so that the answer commits with the work."""

    async def get(self, digest: bytes) -> Reservation | None:
        """By key, locked until the transaction ends."""
        ...

    async def add(self, reservation: Reservation) -> None:
        """A new one; `AlreadyExists` when the key is in use."""
        ...

    async def save(self, reservation: Reservation, *, held: UUID) -> None:
        """Its present state; `ConcurrentChange` unless the stored token is `held`. What is done stays done."""
        ...

    async def release(self, digest: bytes, *, held: UUID) -> None:
        """Forget an attempt that did nothing; no effect when another holds the key or the work is done."""
        ...

    async def forget(self, *, before: datetime) -> int:
        """Drop those made before; how many there were."""
        ...
