"""Who changed, told to every process at once."""

from collections.abc import Callable
from typing import Protocol
from uuid import UUID

Listener = Callable[[frozenset[UUID] | None], None]


class AccessChanges(Protocol):
    """Spreads that what somebody may do has changed.

    Subjects are ids of users, login sessions, API keys and workspaces. Postgres stays the truth: an announcement
    only says that what is remembered of a subject is not to be relied on any more. Delivery is at most once, so
    nobody may remember anything for longer than they can bear to be wrong.
    """

    @property
    def is_live(self) -> bool:
        """Whether announcements of other processes arrive at the moment. Asking begins to listen to them."""
        ...

    async def announce(self, *subjects: UUID) -> None:
        """To be called after the commit. This process's listeners hear it before this returns; the others soon after.

        An engine that is down is no error: without it nobody remembers.
        """
        ...

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with the subjects of each announcement, or with None when some may have been missed.

        It is called on the event loop and must not wait. What is returned ends it.
        """
        ...
