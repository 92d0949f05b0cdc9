"""Limits of rate in one process: for where there is no Redis, and while it is away."""

from collections.abc import Callable, Sequence
from time import monotonic
from typing import Final

from attrs import define, field

from application.ports.limits import Charge, Limiter, Standing

MAX_KEYS: Final = 50_000


@define(eq=False)
class ProcessLimiter(Limiter):
    """Keeps one time stamp a key, of the youngest `MAX_KEYS` keys."""

    clock: Callable[[], float] = monotonic  # seconds
    _full_at: dict[str, float] = field(factory=dict)

    async def spend(self, charges: Sequence[Charge]) -> Standing:
        """On every charge, or on none."""
        now = self.clock()
        standings = [self._standing(charge, now) for charge in charges]
        tightest = min(standings, key=lambda standing: (standing.allowed, standing.remaining, -standing.retry_after))
        for charge in charges:
            spent = charge.arrears + (charge.cost if tightest.allowed else 0)
            if spent:
                full_at = max(now, self._full_at.pop(charge.key, now))
                self._full_at[charge.key] = full_at + spent * charge.rate.interval.total_seconds()
        while len(self._full_at) > MAX_KEYS:
            del self._full_at[next(iter(self._full_at))]
        return tightest

    async def forgive(self, *keys: str) -> None:
        """Forget the time stamps."""
        for key in keys:
            self._full_at.pop(key, None)

    def _standing(self, charge: Charge, now: float) -> Standing:
        window, interval = charge.rate.window.total_seconds(), charge.rate.interval.total_seconds()
        before = max(now, self._full_at.get(charge.key, now)) + charge.arrears * interval
        over = before + max(charge.cost, 1) * interval - window - now
        if over > 1e-9:  # noqa: PLR2004 what floats lose on seconds
            return Standing(charge=charge, allowed=False, remaining=0, reset=before - now, retry_after=over)
        reset = (before - now) + charge.cost * interval  # exact where nothing was spent
        left = int((window - reset) / interval + 1e-6)
        return Standing(charge=charge, allowed=True, remaining=left, reset=reset, retry_after=0)
