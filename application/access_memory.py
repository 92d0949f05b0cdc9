"""What this process remembers of who may do what, for less than a second."""

import time
from collections.abc import Awaitable, Callable, Hashable, Iterable
from typing import Any, Final, TypeVar
from uuid import UUID

from attrs import define, field, frozen

from application.ports.access import AccessChanges

T = TypeVar("T")

MAX_AGE: Final = 0.9  # seconds, counted from before the truth was asked: no revocation takes longer than one
MAX_ENTRIES: Final = 20_000


@frozen
class Learned:
    """An answer of Postgres, and whom it is about."""

    value: Any
    subjects: Iterable[UUID]


@frozen
class _Entry:
    value: Any
    subjects: frozenset[UUID]
    until: float


@define(eq=False)
class AccessMemory:
    """Answers of Postgres about rights, kept for `max_age` seconds at most and dropped when a subject changes.

    While announcements of other processes do not arrive, nothing is kept and every question goes to Postgres.
    Refusals are never kept.
    """

    changes: AccessChanges
    max_age: float = MAX_AGE
    now: Callable[[], float] = time.monotonic
    _entries: dict[Hashable, _Entry] = field(factory=dict, init=False)
    _keys: dict[UUID, set[Hashable]] = field(factory=dict, init=False)
    _generation: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self.changes.listen(self._forget)

    async def recall(self, key: Hashable, ask: Callable[[], Awaitable[Learned]]) -> Any:
        """What is remembered under `key`, else what `ask` learns. What `ask` raises is raised."""
        if not self.changes.is_live:
            return (await ask()).value
        begun = self.now()
        entry = self._entries.get(key)
        if entry is not None and begun < entry.until:
            return entry.value
        generation = self._generation
        learned = await ask()
        if generation == self._generation and self.changes.is_live:
            self._keep(key, _Entry(learned.value, frozenset(learned.subjects), begun + self.max_age))
        return learned.value

    def _keep(self, key: Hashable, entry: _Entry) -> None:
        self._drop(key)
        if len(self._entries) >= MAX_ENTRIES:
            self._forget(None)
        self._entries[key] = entry
        for subject in entry.subjects:
            self._keys.setdefault(subject, set()).add(key)

    def _forget(self, subjects: frozenset[UUID] | None) -> None:
        self._generation += 1  # what is being asked right now may be old already
        if subjects is None:
            self._entries.clear()
            self._keys.clear()
            return
        for subject in subjects:
            for key in tuple(self._keys.get(subject, ())):
                self._drop(key)

    def _drop(self, key: Hashable) -> None:
        entry = self._entries.pop(key, None)
        for subject in entry.subjects if entry else ():
            keys = self._keys[subject]
            keys.discard(key)
            if not keys:
                del self._keys[subject]
