"""Events of rooms that are older than the installation wants to keep."""

from datetime import timedelta
from typing import Final

from attrs import frozen

from application.ports.system import Clock
from application.ports.unit_of_work import UnitOfWorkFactory

BATCH: Final = 1000  # events in one transaction


@frozen(kw_only=True)
class ForgetRoomEvents:
    """Forget what was said in rooms so long ago.

    - The numbering goes on, a room's youngest event stays, and who comes back from before is sent to `history`.
    - That a `client_msg_id` was used is remembered for ever: the same message again stays the same event.
    """

    begin: UnitOfWorkFactory
    clock: Clock
    kept: timedelta | None  # None: for ever

    async def __call__(self) -> int:
        """How many were forgotten."""
        count = 0
        while self.kept is not None:
            async with self.begin(None) as work:
                forgotten = await work.rooms.forget_events(self.clock.now() - self.kept, limit=BATCH)
                await work.commit()
            count += forgotten
            if forgotten < BATCH:
                break
        return count
