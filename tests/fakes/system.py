"""A clock that tests move, and identifiers that count."""

from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import UUID

from application.ports.system import Clock, Ids


class FakeClock(Clock):
    """Stands still until it is moved."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = start

    def now(self) -> datetime:
        return self._now

    def advance(self, by: timedelta) -> None:
        self._now += by


class FakeIds(Ids):
    """UUIDv7 of the same moment that differ by a counter, so that runs repeat."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def new(self) -> UUID:
        milliseconds, version, variant = 1_767_225_600_000, 7, 0b10
        return UUID(int=milliseconds << 80 | version << 76 | variant << 62 | next(self._numbers))
