"""The live bus: what one process tells, all processes hear."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from attrs import field, frozen

from domain.ids import RoomId


@frozen(kw_only=True)
class LiveEvent:
    """A stored event as it is told: its place, and the frame as UTF-8 JSON."""

    seq: int
    epoch: UUID
    body: bytes = field(repr=False)


class NoteKind(StrEnum):
    """What may happen to a note where a reader is slow."""

    SIGNAL = "signal"  # dropped first
    PRESENCE = "presence"  # kept: each counts its version on
    DELTA = "delta"  # joined with those that follow
    CITATION = "citation"  # `{collection_id, frame}`: shown to those who may read the collection
    RUN = "run"  # the other frames of an answer being written: kept


@frozen(kw_only=True)
class LiveNote:
    """Something that is told but not stored, with the frame as UTF-8 JSON."""

    kind: NoteKind
    body: bytes = field(repr=False)


@frozen(kw_only=True)
class LiveGap:
    """Something may have been missed: look at the database."""


LiveMessage = LiveEvent | LiveNote | LiveGap


@frozen(kw_only=True)
class LiveTop:
    """The youngest event that was let out in a room."""

    seq: int
    epoch: UUID


class LiveListener(Protocol):
    """Hears a room."""

    def hear(self, message: LiveMessage) -> None:
        """Called in the order of the bus. Must not wait, and must not raise."""
        ...


class LiveBus(Protocol):
    """Tells events of rooms to every process, in order; holds nothing that is not in Postgres.

    Raises `application.errors.CacheUnavailable` when the engine cannot be used: what was committed is then found in
    the database by whoever looks there.
    """

    async def publish(self, events: Mapping[RoomId, Sequence[LiveEvent]]) -> None:
        """Tell committed events of rooms, of each in order. An event is let out when the one before it was; until then
        it is held.

        One that was let out before is dropped. Where the engine knows nothing of the room, or another epoch, it begins
        with the first event given.
        """
        ...

    async def note(self, room_id: RoomId, note: LiveNote) -> None:
        """Tell those who listen at this moment."""
        ...

    async def tops(self, room_ids: Sequence[RoomId]) -> dict[RoomId, LiveTop]:
        """Where each room stands; those that the engine does not know are left out."""
        ...

    async def recent(self, room_id: RoomId, top: LiveTop, *, after: int) -> list[LiveEvent] | None:
        """The events from the one after `after` up to `top`, from the hot copy; None unless it holds every one."""
        ...

    async def subscribe(self, room_id: RoomId, listener: LiveListener) -> None:
        """From the return on the listener hears everything that is told in the room: the engine has confirmed it."""
        ...

    async def unsubscribe(self, room_id: RoomId, listener: LiveListener) -> None:
        """Hear no more. Never raises."""
        ...

    @property
    def faults(self) -> Mapping[str, int]:
        """What the connection to the engine went through since the start, by name."""
        ...

    @property
    def is_hearing(self) -> bool:
        """Whether the subscriptions stand; while they do not, listeners look at the database."""
        ...
