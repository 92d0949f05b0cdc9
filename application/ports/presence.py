"""Who is in a room at this moment."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

from attrs import frozen

from domain.ids import RoomId
from domain.rooms import Sender


@frozen(kw_only=True)
class Entry:
    """A connection of a person; its id has no blanks."""

    connection_id: str
    member: Sender

    @property
    def view(self) -> dict[str, str]:
        """The member as others see them."""
        return {"id": str(self.member.id), "name": self.member.name}


@frozen(kw_only=True)
class PresenceState:
    """The members, in the order of their ids; `version` counts changes, and never goes back."""

    version: int
    members: tuple[Sender, ...]


class Presence(Protocol):
    """Connections that say again and again that they are there; those that fall silent end.

    A person with several connections is one member. Each change is told in the room as a note `presence`, with the
    frame `presence_diff {room_id, version, joins, leaves}`. Raises `application.errors.CacheUnavailable`.
    """

    async def enter(self, room_id: RoomId, entries: Sequence[Entry], *, lives: timedelta) -> PresenceState:
        """Let connections in, or let those that are there go on for so long."""
        ...

    async def keep(self, room_id: RoomId, entries: Sequence[Entry], *, lives: timedelta) -> PresenceState:
        """Let those that are there go on for so long from now, which may be less than before; zero ends them."""
        ...

    async def look(self, room_id: RoomId) -> PresenceState:
        """Who is there. Whose time is over is told to have left by whoever looks first."""
        ...
