"""Limits of rate that cost no round trip while a client is far from them."""

import asyncio
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Final

from attrs import define, evolve, field

from application.errors import CacheUnavailable
from application.ports.limits import Charge, Limiter, Standing

PART: Final = 50  # of what is left, one part may be given without asking
HOLD: Final = 0.5  # seconds for which an answer is good


@define
class _Share:
    """What this process may give away by itself."""

    standing: Standing  # as it was told
    at: float
    left: int
    given: int = 0

    def give(self, now: float) -> Standing:
        """One of it, and how it stands then."""
        self.left -= 1
        self.given += 1
        told = self.standing
        spent = self.given * told.charge.rate.interval.total_seconds()
        return Standing(
            charge=told.charge,
            allowed=True,
            remaining=told.remaining - self.given,
            reset=max(0.0, told.reset + spent - (now - self.at)),
            retry_after=0,
        )


@define(eq=False)
class ShareLimiter(Limiter):
    """Asks another limiter, and decides by itself about a small part of what that said was left.

    After an answer this process lets through up to a fiftieth of what is left, for half a second at most, and charges
    it afterwards as arrears. One process is exact to the last request. Several may together let through a fiftieth of
    the limit more for each but the first, once, and it is charged all the same. Near the limit, and for limits below
    fifty, every single request is asked for; so are charges that belong together.
    """

    limiter: Limiter
    clock: Callable[[], float] = monotonic  # seconds
    _shares: dict[str, _Share] = field(factory=dict, init=False)
    _settling: asyncio.Task[None] | None = field(default=None, init=False)

    async def spend(self, charges: Sequence[Charge]) -> Standing:
        """On every charge, or on none."""
        if len(charges) > 1 or charges[0].cost != 1 or charges[0].arrears:
            return await self.limiter.spend(charges)
        charge = charges[0]
        now = self.clock()
        share = self._shares.get(charge.key)
        if share is not None and share.left > 0 and now < share.at + HOLD:
            return share.give(now)
        if share is not None:
            del self._shares[charge.key]
            if share.given:
                charge = evolve(charge, arrears=share.given)
        standing = await self.limiter.spend([charge])
        part = standing.remaining // PART
        if standing.allowed and part and charge.key not in self._shares:
            self._shares[charge.key] = _Share(standing, now, part)
            if self._settling is None or self._settling.done():
                self._settling = asyncio.create_task(self._settle())
        return standing

    async def forgive(self, *keys: str) -> None:
        """Forget what was spent, given away here or not."""
        for key in keys:
            self._shares.pop(key, None)
        await self.limiter.forgive(*keys)

    async def aclose(self) -> None:
        """Stop settling; what is owed then is at most a part of each limit."""
        if self._settling is not None:
            self._settling.cancel()
            await asyncio.gather(self._settling, return_exceptions=True)

    async def _settle(self) -> None:
        """Charge for those who do not come again, and forget them."""
        while self._shares:
            await asyncio.sleep(HOLD)
            before = self.clock() - HOLD
            for key, share in [(key, share) for key, share in self._shares.items() if share.at <= before]:
                if self._shares.get(key) is share:
                    del self._shares[key]
                    if share.given:
                        await self._charge(evolve(share.standing.charge, cost=0, arrears=share.given))

    async def _charge(self, charge: Charge) -> None:
        try:
            await self.limiter.spend([charge])
        except CacheUnavailable:
            return  # nobody is limited while the limiter is away
