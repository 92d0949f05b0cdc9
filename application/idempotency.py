"""A request that is sent twice is done once, and answered twice.

A key is reserved in a short transaction of its own, with a lease that the running attempt renews. The answer is
recorded in the transaction that does the work: either both are there or none. An attempt that died before it leaves a
lease that ends, and the next one does the work; an attempt that only seemed dead finds its token replaced when it
commits, and nothing of it remains.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

from attrs import evolve, field, frozen

from application.attempts import Attempt
from application.calls import attempting
from application.errors import AlreadyExists, ApplicationError
from application.ports.idempotency import Reservation
from application.ports.security import Seal
from application.ports.system import Clock
from application.ports.unit_of_work import UnitOfWorkFactory
from domain.errors import Conflict, InvalidInput
from domain.ids import UserId, WorkspaceId

KEPT: Final = timedelta(hours=24)
LEASE: Final = timedelta(seconds=30)
MAX_KEY_LENGTH: Final = 255


def check_key(key: str) -> str:
    """The key, else `InvalidInput`."""
    if not 0 < len(key) <= MAX_KEY_LENGTH or not key.isascii() or not key.isprintable():
        raise InvalidInput(
            f"An Idempotency-Key has 1 to {MAX_KEY_LENGTH} printable ASCII characters.", pointer="/Idempotency-Key"
        )
    return key


@frozen(kw_only=True)
class Scope:
    """Whose key it is: the same words of somebody else, or in another workspace, are another key.

    Whoever has no account yet is nobody, and all of them share the words: who meets those of a stranger is told that
    they were used for another request, since that one held another e-mail and another password.
    """

    user_id: UserId | None
    actor: UUID | None  # the person, or the API key that acts as them
    workspace_id: WorkspaceId | None
    key: str = field(repr=False)

    @property
    def digest(self) -> bytes:
        """What is stored of it."""
        return hashlib.sha256(f"{self.actor}\0{self.workspace_id}\0{self.key}".encode()).digest()


@frozen(kw_only=True)
class Earlier:
    """An attempt that did the work before."""

    answer: bytes = field(repr=False)
    fingerprint: bytes

    def must_be(self, fingerprint: bytes) -> None:
        """`InvalidInput` with code `idempotency_key_reused` unless the same was asked for."""
        if self.fingerprint != fingerprint:
            raise InvalidInput(
                "This Idempotency-Key was used for another request. Take a new key.",
                code="idempotency_key_reused",
                pointer="/Idempotency-Key",
            )


@frozen(kw_only=True)
class Idempotency:
    """Reserve a key, work under it, and know the answer afterwards."""

    begin: UnitOfWorkFactory
    clock: Clock
    seal: Seal

    async def reserve(self, scope: Scope, *, fingerprint: bytes = b"") -> Attempt | Earlier:
        """An attempt that may begin, or the earlier one that did the work.

        Raises `Conflict` with code `idempotency_in_progress` while another attempt runs, and with code
        `idempotency_answer_lost` where the work was done but its answer cannot be given again;
        `InvalidInput` with code `idempotency_key_reused` when the fingerprint is known and another.
        """
        while True:
            try:
                return await self._reserve(scope, fingerprint)
            except AlreadyExists:
                continue  # another attempt was a moment faster: see what it is

    async def _reserve(self, scope: Scope, fingerprint: bytes) -> Attempt | Earlier:
        now = self.clock.now()
        mine = Reservation(
            digest=scope.digest,
            user_id=scope.user_id,
            workspace_id=scope.workspace_id,
            fingerprint=self._sealed(scope)(fingerprint) if fingerprint else b"",
            token=uuid4(),
            created_at=now,
            leased_until=now + LEASE,
        )
        async with self.begin(scope.workspace_id) as work:
            found = await work.idempotency.get(mine.digest)
            if found is not None and found.created_at <= now - KEPT:
                await work.idempotency.forget(before=now - KEPT)
                found = None
            if found is None:
                await work.idempotency.add(mine)
            elif found.is_done:
                return self._earlier(scope, found, fingerprint)
            else:
                self._compare(scope, found, fingerprint)
                if found.leased_until > now:
                    raise Conflict(
                        "The first request with this Idempotency-Key is still at work. Ask again in a moment.",
                        code="idempotency_in_progress",
                        retry_after=1,
                    )
                await work.idempotency.save(mine, held=found.token)
            await work.commit()
        return Attempt(reservation=mine, seal=self._sealed(scope))

    def _earlier(self, scope: Scope, found: Reservation, fingerprint: bytes) -> Earlier:
        told = self._compare(scope, found, fingerprint)
        answer = None if found.answer is None else self.seal.open(found.answer, context=_context(scope))
        if answer is None:
            raise Conflict(
                "The first request with this Idempotency-Key did its work, but its answer is lost. "
                "Look for what it made.",
                code="idempotency_answer_lost",
            )
        return Earlier(answer=answer, fingerprint=told)

    def _compare(self, scope: Scope, found: Reservation, fingerprint: bytes) -> bytes:
        """What the other attempt was asked for; `InvalidInput` where both are known and differ."""
        told = self.seal.open(found.fingerprint, context=_context(scope)) or b""
        if told and fingerprint:
            Earlier(answer=b"", fingerprint=told).must_be(fingerprint)
        return told

    def _sealed(self, scope: Scope) -> Callable[[bytes], bytes]:
        return lambda plain: self.seal.close(plain, context=_context(scope))

    @asynccontextmanager
    async def under(self, attempt: Attempt) -> AsyncIterator[None]:
        """Do the work inside: its first commit records the answer. When nothing was committed the key is free again."""
        alive = asyncio.create_task(self._stay_alive(attempt))
        try:
            with attempting(attempt):
                yield
        finally:
            alive.cancel()
            if not attempt.is_settled:
                with suppress(ApplicationError):  # then the lease ends by itself
                    await asyncio.shield(self._release(attempt))

    async def finish(self, attempt: Attempt, answer: bytes) -> None:
        """Record the answer of work whose commits, if any, did not."""
        attempt.keep = lambda _: answer
        with attempting(attempt):
            async with self.begin(attempt.reservation.workspace_id) as work:
                await work.commit(answer)

    async def forget_old(self) -> int:
        """Drop keys that are older than a day; how many there were."""
        async with self.begin(None) as work:
            count = await work.idempotency.forget(before=self.clock.now() - KEPT)
            await work.commit()
        return count

    async def _release(self, attempt: Attempt) -> None:
        async with self.begin(attempt.reservation.workspace_id) as work:
            await work.idempotency.release(attempt.reservation.digest, held=attempt.reservation.token)
            await work.commit()

    async def _stay_alive(self, attempt: Attempt) -> None:
        while not attempt.is_settled:
            await asyncio.sleep(LEASE.total_seconds() / 3)
            with suppress(ApplicationError):
                async with self.begin(attempt.reservation.workspace_id) as work:
                    longer = evolve(attempt.reservation, leased_until=self.clock.now() + LEASE)
                    await work.idempotency.save(longer, held=longer.token)
                    await work.commit()


def _context(scope: Scope) -> bytes:
    """Only who has the key can open the answer and see what was asked for: a copy of the database cannot, and nobody
    can guess at it the password that was in a request.
    """
    return f"idempotency\0{scope.actor}\0{scope.workspace_id}\0{scope.key}".encode()
