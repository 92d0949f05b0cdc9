"""One try at a request that must be done once."""

from collections.abc import Callable
from typing import Any

from attrs import define, evolve

from application.ports.idempotency import IdempotencyKeys, Reservation


@define(eq=False)
class Attempt:
    """Holds the key while it works. `keep` makes the answer from the use case's result, before the commit."""

    reservation: Reservation
    seal: Callable[[bytes], bytes]
    keep: Callable[[Any], bytes] | None = None
    _answer: bytes | None = None  # written, not yet known to be committed

    @property
    def is_settled(self) -> bool:
        """Whether work was committed."""
        return self.reservation.is_done

    @property
    def is_answered(self) -> bool:
        """Whether its answer was committed too."""
        return self.reservation.answer is not None

    def asked_for(self, fingerprint: bytes) -> None:
        """What the body turned out to be, known before the work commits."""
        self.reservation = evolve(self.reservation, fingerprint=self.seal(fingerprint))

    async def record(self, keys: IdempotencyKeys, result: object | None) -> None:
        """Called in a transaction about to be committed: the first one is the work's, and decides.

        Raises `ConcurrentChange` when another attempt took the key over meanwhile.
        """
        if self.is_answered or (self.is_settled and result is None):
            return
        self._answer = None if result is None or self.keep is None else self.seal(self.keep(result))
        await keys.save(evolve(self.reservation, is_done=True, answer=self._answer), held=self.reservation.token)

    def committed(self) -> None:
        """That transaction went through."""
        if not self.is_answered:
            self.reservation = evolve(self.reservation, is_done=True, answer=self._answer)
