"""Time and identity, which the domain does not make itself."""

from datetime import datetime
from typing import Any, Protocol
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


class Log(Protocol):
    """A structured log: an event's name and its facts. Secrets and document text never go in."""

    def info(self, event: str, **facts: Any) -> Any:
        """Something worth knowing happened."""
        ...

    def warning(self, event: str, **facts: Any) -> Any:
        """Something went wrong and was dealt with."""
        ...

    def error(self, event: str, **facts: Any) -> Any:
        """Something went wrong and somebody should look."""
        ...
