"""Announcements of changed rights between processes that are objects."""

from collections.abc import Callable
from uuid import UUID

from attrs import define, field

from application.ports.access import AccessChanges, Listener


@define(eq=False)
class Bus:
    """What joins several `FakeAccessChanges`; `down` parts them."""

    ends: list["FakeAccessChanges"] = field(factory=list)
    down: bool = False


@define(eq=False)
class FakeAccessChanges(AccessChanges):
    """One process's end of a bus."""

    bus: Bus = field(factory=Bus)
    _listeners: list[Listener] = field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        self.bus.ends.append(self)

    @property
    def is_live(self) -> bool:
        return not self.bus.down

    async def announce(self, *subjects: UUID) -> None:
        for end in [self] if self.bus.down else self.bus.ends:
            for listener in tuple(end._listeners):
                listener(frozenset(subjects))

    def listen(self, listener: Listener) -> Callable[[], None]:
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)
