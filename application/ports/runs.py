"""The log of an answer being written: what lets readers come, go and come back."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol

from attrs import frozen

from domain.ids import MessageId


@frozen(kw_only=True)
class RunEvent:
    """One event of an answer's stream. `offset` counts events from 1 without gaps."""

    offset: int
    name: str
    data: Mapping[str, Any]

    @property
    def is_last(self) -> bool:
        """Whether the stream ends with it."""
        return self.name in {"message.completed", "message.failed"}


class RunLog(Protocol):
    """Append-only events by message, kept for an hour after the last one.

    Raises `application.errors.CacheUnavailable` when the engine cannot be used; the truth of an answer is
    its message in Postgres, so a run goes on without its log and readers fall back to the message.
    """

    async def append(self, message_id: MessageId, event: RunEvent) -> None:
        """Add the next event. The same offset again is ignored."""
        ...

    def read(self, message_id: MessageId, *, after: int = 0) -> AsyncIterator[RunEvent]:
        """Events with a greater offset, those there are and those to come, until the last one.

        An unknown or expired run gives nothing and ends at once.
        """
        ...

    async def request_cancel(self, message_id: MessageId) -> None:
        """Ask the writer, wherever it runs, to stop. Asking twice or too late is harmless."""
        ...

    async def cancel_requested(self, message_id: MessageId) -> bool:
        """Whether somebody asked."""
        ...
