"""Publishing for connections, of which a process has thousands: many events in one transaction."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from attrs import define, evolve, field, frozen

from application.errors import AlreadyExists, ApplicationError
from application.ports.rooms import Appended
from application.ports.unit_of_work import UnitOfWorkFactory
from application.rooms_events import RecordEvent, same_event
from domain.access import Action, Actor
from domain.errors import DomainError, NotFound
from domain.ids import RoomId
from domain.rooms import NewEvent, RoomEvent, Sender, check_client_kind, check_data

MOST: Final = 128  # events in one transaction
AT_ONCE: Final = 2  # transactions: one is made ready while the other waits for the disk


@frozen(eq=False)
class _Waiting:
    """An event on its way, and who waits for its place."""

    actor: Actor
    event: NewEvent
    placed: asyncio.Future[Appended]

    @property
    def key(self) -> tuple[RoomId, UUID]:
        """No two of them fit into one statement."""
        return self.event.room_id, self.event.client_msg_id

    def refuse(self, error: Exception) -> None:
        """Say why not, unless nobody waits any more."""
        if not self.placed.done():
            self.placed.set_exception(error)

    def settle(self, appended: Appended) -> None:
        """Say where it stands."""
        if not self.placed.done():
            self.placed.set_result(appended)


@define(eq=False, kw_only=True)
class PublishTogether:
    """As `PublishEvent`, for senders who are known.

    What is sent while transactions run goes into the next one, whatever its room: a busy room costs one lock and one
    flush to disk for all that came meanwhile, and a quiet one waits for a few milliseconds at most.
    """

    begin: UnitOfWorkFactory
    record: RecordEvent
    _queue: list[_Waiting] = field(factory=list)
    _writing: set[asyncio.Task[None]] = field(factory=set)
    _telling: set[asyncio.Task[None]] = field(factory=set)

    async def __call__(
        self, actor: Actor, sender: Sender, *, room_id: RoomId, kind: str, client_msg_id: UUID, data: Any
    ) -> Appended:
        """As `PublishEvent`; whether they may write is asked at this moment, for `actor` says what it was."""
        actor.require(Action.ROOM_READ)
        checked = check_client_kind(kind)
        check_data(data)
        event = NewEvent(
            room_id=room_id,
            workspace_id=actor.workspace_id,
            kind=checked,
            sender=sender,
            client_msg_id=client_msg_id,
            data=data,
        )
        waiting = _Waiting(actor, event, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._go_on()
        return same_event(await waiting.placed)

    async def _write(self) -> None:
        batch = self._next()
        try:
            if batch:
                await self._store(batch)
        except AlreadyExists:  # a twin of one of them is being stored elsewhere
            for one in batch:
                await self._alone(one)
        except Exception as error:  # noqa: BLE001 whoever waits is told
            for one in batch:
                one.refuse(error)

    def _written(self, task: asyncio.Task[None]) -> None:
        self._writing.discard(task)
        if self._queue:
            self._go_on()

    def _go_on(self) -> None:
        if len(self._writing) < AT_ONCE:
            task = asyncio.create_task(self._write())
            self._writing.add(task)
            task.add_done_callback(self._written)

    def _next(self) -> list[_Waiting]:
        """The first of the queue; a second one of the same id waits for the first."""
        batch: dict[tuple[RoomId, UUID], _Waiting] = {}
        rest: list[_Waiting] = []
        for one in self._queue:
            if len(batch) < MOST and one.key not in batch:
                batch[one.key] = one
            else:
                rest.append(one)
        self._queue = rest
        return list(batch.values())

    async def _alone(self, one: _Waiting, *, is_again: bool = False) -> None:
        try:
            await self._store([one])
        except AlreadyExists as error:
            if is_again:
                one.refuse(error)
            else:
                await self._alone(one, is_again=True)
        except (ApplicationError, DomainError) as error:
            one.refuse(error)

    async def _store(self, batch: Sequence[_Waiting]) -> None:
        async with self.begin(None) as work:
            found = await work.rooms.admitted([(one.event.room_id, one.actor.user_id) for one in batch])
            roles = {(admission.room_id, admission.user_id): admission.role for admission in found}
            admitted = []
            for one in batch:
                role = roles.get((one.event.room_id, one.actor.user_id))
                try:
                    if role is None:
                        raise NotFound("There is no such room.")
                    evolve(one.actor, role=role).require(Action.ROOM_WRITE)
                except DomainError as error:
                    one.refuse(error)
                else:
                    admitted.append(one)
            if not admitted:
                return
            placed = await work.rooms.append_all([one.event for one in admitted], now=self.record.clock.now())
            await work.commit()
        fresh: list[RoomEvent] = []
        for one, appended in zip(admitted, placed, strict=True):
            if appended is None:
                one.refuse(NotFound("There is no such room."))
                continue
            one.settle(appended)
            if not appended.duplicate:
                fresh.append(appended.event)
        if fresh:
            task = asyncio.create_task(self.record.tell(*fresh))
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)
