"""An answer being written: the log that lets readers come, go and come back, and the record that says it lives."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, Protocol

from attrs import frozen

from domain.answers import Citation
from domain.conversations import Message
from domain.ids import ConversationId, MessageId, UserId, WorkspaceId

LAST_EVENTS: Final = frozenset({"message.completed", "message.failed"})

# What a stream was made of, event by event, so that it can be told again from the message alone; plain JSON.
# See `application.retelling`.
Outline = Sequence[Any]


@frozen(kw_only=True)
class RunEvent:
    """One event of an answer's stream. `offset` counts events from 1 without gaps."""

    offset: int
    name: str
    data: Mapping[str, Any]

    @property
    def is_last(self) -> bool:
        """Whether the stream ends with it."""
        return self.name in LAST_EVENTS


class RunLog(Protocol):
    """Append-only events by message, kept for an hour after the last one.

    Raises `application.errors.CacheUnavailable` when the engine cannot be used; the truth of an answer is
    its message and its record in Postgres, so a run goes on without its log and readers fall back to these.
    """

    async def append(self, message_id: MessageId, events: Sequence[RunEvent]) -> int:
        """Add consecutive events; how many the log holds now. Those it has already are ignored.

        When the engine lost events before the first of these, nothing is added and the smaller count is given: give
        it everything from there. Raises `application.errors.ConcurrentChange` when somebody else ended the
        run: nothing comes after a last event.
        """
        ...

    def read(self, message_id: MessageId, *, after: int = 0) -> AsyncIterator[RunEvent]:
        """Events with a greater offset, those there are and those to come, until the last one.

        An unknown or expired run gives nothing and ends at once.
        """
        ...

    async def stored(self, message_id: MessageId) -> list[RunEvent]:
        """The events that there are at this moment, from the first; none of an unknown run."""
        ...


@frozen(kw_only=True)
class Draft:
    """What an answer that is being written has told so far."""

    message_id: MessageId
    content: str
    citations: tuple[Citation, ...]
    outline: Outline


@frozen(kw_only=True)
class ActiveRuns:
    """Answers being written at this moment."""

    of_workspace: int
    of_user: int  # in that workspace


class RunRecords(Protocol):
    """One record for each answer, part of a unit of work: who writes is alive, who reads can rebuild the stream.

    A run is never taken over: its one writer beats, and when it stops beating anybody may end the run, once. Times
    are the database's own, so that the clocks of the machines do not matter.
    """

    async def open(self, message: Message, user_id: UserId, *, scope: Mapping[str, Any] | None = None) -> None:
        """The run of a new answer, alive from now; `scope` is plain JSON and kept with it."""
        ...

    async def scope(self, message_id: MessageId) -> Mapping[str, Any] | None:
        """What it was opened with; None for an answer without a record, or without a scope."""
        ...

    async def beat(self, message_ids: Sequence[MessageId]) -> dict[MessageId, bool]:
        """Those of them that are not ended, alive from now; for each whether somebody asked to stop.

        All workspaces: in a unit of work that is bound to none.
        """
        ...

    async def request_cancel(self, message_id: MessageId) -> None:
        """Ask the writer, wherever it runs, to stop. Asking twice, too late, or for an unknown run is harmless."""
        ...

    async def note(self, message_id: MessageId, outline: Outline) -> None:
        """What the stream is made of so far; for an unknown run nothing."""
        ...

    async def keep(self, drafts: Sequence[Draft]) -> None:
        """Checkpoints: text, citations and outlines of answers so far; those that are over stay as they are.

        All workspaces: in a unit of work that is bound to none.
        """
        ...

    async def outline(self, message_id: MessageId) -> Outline | None:
        """What was noted last; None for an answer without a record."""
        ...

    async def end(self, message_id: MessageId) -> None:
        """Not being written any more. Ending twice is harmless."""
        ...

    async def silent(self, *, since: timedelta, limit: int) -> list[Message]:
        """Answers whose writers have not beaten for so long, longest first. In a unit of work bound to no workspace."""
        ...

    async def is_silent(self, message_id: MessageId, *, since: timedelta) -> bool:
        """Whether it is, still; the record is locked until the transaction ends, so that a beat has to wait."""
        ...

    async def written_in(self, conversation_id: ConversationId) -> list[Message]:
        """The conversation's answers that are being written now. All workspaces, when bound to none."""
        ...

    async def active(self, workspace_id: WorkspaceId, user_id: UserId) -> ActiveRuns:
        """How many are being written now."""
        ...
