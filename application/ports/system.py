"""Time and identity, which the domain does not make itself."""

from datetime import datetime
from typing import Protocol
from uuid import UUID


class Clock(Protocol):
    """The wall clock."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC, microseconds kept as Postgres keeps them."""
        ...


class Ids(Protocol):
    """A source of identifiers."""

    def new(self) -> UUID:
        """A UUIDv7 (RFC 9562). Within one process each sorts after the ones before it."""
        ...
