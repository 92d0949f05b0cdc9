"""How often something may be done."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

from attrs import field, frozen


@frozen
class Rate:
    """`quota` in any `window`; all of it at once too, and then it comes back evenly (GCRA, ITU-T I.371)."""

    quota: int
    window: timedelta

    @property
    def interval(self) -> timedelta:
        """The time in which one comes back."""
        return self.window / self.quota


@frozen(kw_only=True)
class Charge:
    """Something that costs. A cost of 0 asks whether one more would be allowed, and takes nothing.

    `arrears` were given already: they are charged in any case, before the rest is decided.
    """

    name: str  # of the limit, for people
    key: str = field(repr=False)  # whose; a part in braces keeps keys that are charged together on one node
    rate: Rate
    cost: int = 1
    arrears: int = 0


@frozen(kw_only=True)
class Standing:
    """How it stands with the tightest of the limits."""

    charge: Charge
    allowed: bool
    remaining: int
    reset: float  # seconds until all of the quota is there again
    retry_after: float  # seconds until it would be allowed; 0 when it is


class Limiter(Protocol):
    """Counts what was spent, for all processes."""

    async def spend(self, charges: Sequence[Charge]) -> Standing:
        """Spend on every charge, or on none of them (but for arrears) when one is over. At least one charge.

        Raises `CacheUnavailable` when nobody can tell.
        """
        ...

    async def forgive(self, *keys: str) -> None:
        """Give back all that was spent under these keys. Raises `CacheUnavailable`."""
        ...
