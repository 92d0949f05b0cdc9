"""The machine's clock, and identifiers that sort by when they were made."""

from datetime import UTC, datetime
from uuid import UUID

import uuid_utils

from application.ports.system import Clock, Ids


class SystemClock(Clock):
    """The machine's wall clock in UTC, to the microsecond."""

    def now(self) -> datetime:
        """The present moment, aware."""
        return datetime.now(UTC)


class Uuid7Ids(Ids):
    """UUIDv7 with the counter of RFC 9562, section 6.2: each sorts after the ones before it in this process."""

    def new(self) -> UUID:
        """A new id, as the standard library's type, which drivers and encoders know."""
        return UUID(bytes=uuid_utils.uuid7().bytes)
