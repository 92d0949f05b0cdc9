"""Answers being written in a room, as this process follows them for everybody who reads the room here."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import aclosing, suppress
from typing import Any, Final
from uuid import UUID

from attrs import define, field, frozen

from application.answer_reading import ReadAnswer
from application.errors import ApplicationError
from application.ports.live import LiveNote, NoteKind
from application.ports.runs import RunEvent
from application.ports.system import Log
from application.ports.unit_of_work import UnitOfWorkFactory
from application.rooms_chronicle import conversation_of
from application.rooms_events import compact
from domain.conversations import Message, MessageStatus
from domain.ids import DocumentId, MessageId, RoomId

ATTEMPT: Final = 1  # an answer is written once; another one is another message
KEPT_RUNS: Final = 8  # answers of a room at hand, those that ended too
MAX_TEXT: Final = 192 * 1024  # code points of the answers that a reply tells, so that they fit into one frame
PATIENCE: Final = 2.0  # seconds that a reader waits for what it had seen elsewhere
_RETRY: Final = 0.5


@frozen(kw_only=True)
class RunState:
    """An answer as a reader takes it up: the text from the delta after `start` up to `offset`."""

    message_id: MessageId
    attempt: int
    start: int
    offset: int
    text: str
    status: MessageStatus
    citations: tuple[LiveNote, ...]


@define(eq=False)
class RunFeed:
    """One answer: everything that was told of it, and what is told from now on. `offset` counts deltas."""

    room_id: RoomId
    message: Message
    read: ReadAnswer
    begin: UnitOfWorkFactory
    log: Log
    tell: Callable[[LiveNote], None]
    texts: list[str] = field(factory=list)
    status: MessageStatus = MessageStatus.STREAMING
    _citations: list[tuple[int, LiveNote]] = field(factory=list)
    _position: int = 0  # in the stream of the answer
    _moved: asyncio.Condition = field(factory=asyncio.Condition)

    @property
    def offset(self) -> int:
        """How many deltas were told."""
        return len(self.texts)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will be told."""
        return self.status is not MessageStatus.STREAMING

    def state(self, known: int) -> RunState:
        """For a reader who has so many deltas. One who has more than there are begins anew."""
        start = known if 0 <= known <= self.offset else 0
        return RunState(
            message_id=self.message.id,
            attempt=ATTEMPT,
            start=start,
            offset=self.offset,
            text="".join(self.texts[start:]),
            status=self.status,
            citations=tuple(note for at, note in self._citations if at >= start),
        )

    async def load(self) -> None:
        """Take up what there is, silently: nobody reads yet. An engine's error."""
        for event in await self.read.so_far(self.message):
            await self._take(event, tell=lambda _: None)

    async def follow(self) -> None:
        """Tell what comes until the end, through every loss of an engine."""
        while not self.is_over:
            try:
                await self._follow()
            except ApplicationError as error:
                self.log.warning("answer_not_followed", message_id=str(self.message.id), reason=error.slug)
                await asyncio.sleep(_RETRY)

    async def reached(self, offset: int) -> None:
        """Wait until so many deltas are here, for a moment; the answer may have ended with fewer."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE), self._moved:
                await self._moved.wait_for(lambda: self.offset >= offset or self.is_over)

    async def _follow(self) -> None:
        source = self.read.everything(self.message, self._position)
        async with aclosing(source) as events:  # type: ignore[type-var]
            async for event in events:
                await self._take(event, self.tell)
        if not self.is_over:
            await self._conclude()

    async def _conclude(self) -> None:
        """The stream ended without an end: less is stored than was told, or the answer is gone."""
        async with self.begin(None) as work:
            stored = await work.messages.get(self.message.id)
        if stored is not None and stored.is_over:
            kept = [event for event in await self.read.so_far(stored) if event.name == "content.delta"]
            self.texts = [event.data["text"] for event in kept]
        await self._end(MessageStatus.INTERRUPTED if stored is None else stored.status, self.tell)

    async def _take(self, event: RunEvent, tell: Callable[[LiveNote], None]) -> None:
        if event.name == "content.delta":
            self.texts.append(event.data["text"])
            frame = {"type": "answer_delta", **self._where(), "text": event.data["text"]}
            tell(LiveNote(kind=NoteKind.DELTA, body=compact(frame)))
        elif event.name == "citation":
            await self._cite(event.data, tell)
        elif event.is_last:
            await self._end(MessageStatus(event.data["message"]["status"]), tell)
        self._position = event.offset
        async with self._moved:
            self._moved.notify_all()

    async def _cite(self, citation: Mapping[str, Any], tell: Callable[[LiveNote], None]) -> None:
        """A citation goes with the collection that decides who is shown it."""
        async with self.begin(self.message.workspace_id) as work:
            document = await work.documents.get(DocumentId(UUID(citation["document_id"])))
        if document is not None and not document.is_deleted:
            frame = {"type": "answer_citation", **self._where(), "citation": dict(citation)}
            body = compact({"collection_id": str(document.collection_id), "frame": frame})
            note = LiveNote(kind=NoteKind.CITATION, body=body)
            self._citations.append((self.offset, note))
            tell(note)

    async def _end(self, status: MessageStatus, tell: Callable[[LiveNote], None]) -> None:
        self.status = status
        where = {"room_id": str(self.room_id), "message_id": str(self.message.id)}
        frame = {"type": "answer_end", **where, "status": status.value, "offset": self.offset}
        tell(LiveNote(kind=NoteKind.RUN, body=compact(frame)))

    def _where(self) -> dict[str, Any]:
        where = {"room_id": str(self.room_id), "message_id": str(self.message.id)}
        return {**where, "attempt": ATTEMPT, "offset": self.offset}


@define(eq=False)
class RoomRuns:
    """The answers of one room that are at hand here."""

    room_id: RoomId
    read: ReadAnswer
    begin: UnitOfWorkFactory
    log: Log
    tell: Callable[[LiveNote], None]
    _runs: OrderedDict[MessageId, RunFeed] = field(factory=OrderedDict)
    _tasks: set[asyncio.Task[None]] = field(factory=set)

    async def take_up(self, messages: list[Message]) -> None:
        """Answers that are being written while nobody reads the room here yet. An engine's error."""
        for message in messages:
            run = self._add(message)
            await run.load()
            self._spawn(run.follow())

    def began(self, message_id: MessageId) -> None:
        """Follow an answer from its first delta on. Twice is once."""
        if message_id not in self._runs:
            self._spawn(self._look(message_id))

    async def cover(self, wanted: Mapping[MessageId, int]) -> None:
        """Have at hand what readers name who come back. An engine's error."""
        for message_id, offset in wanted.items():
            if message_id not in self._runs:
                await self._look(message_id, is_patient=False)
            run = self._runs.get(message_id)
            if run is not None:
                await run.reached(offset)

    def states(self, wanted: Mapping[MessageId, int]) -> tuple[RunState, ...]:
        """Those that are named, and all that are being written; as many as fit, in one step with the reply."""
        found: list[RunState] = []
        left = MAX_TEXT
        for message_id, run in self._runs.items():
            if message_id in wanted or not run.is_over:
                state = run.state(wanted.get(message_id, 0))
                left -= len(state.text)
                if left >= 0:
                    found.append(state)
        return tuple(found)

    async def close(self) -> None:
        """Follow nothing any more."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _look(self, message_id: MessageId, *, is_patient: bool = True) -> None:
        """Find an answer and follow it; one that is over is only taken up."""
        while True:
            try:
                async with self.begin(None) as work:
                    message = await work.messages.get(message_id)
                break
            except ApplicationError:
                if not is_patient:
                    raise
                await asyncio.sleep(_RETRY)
        if message is None or message.conversation_id != conversation_of(self.room_id) or message_id in self._runs:
            return
        if is_patient or not message.is_over:
            self._spawn(self._add(message).follow())
        else:
            run = RunFeed(self.room_id, message, self.read, self.begin, self.log, self.tell)
            await run.load()
            self._keep(run)

    def _add(self, message: Message) -> RunFeed:
        return self._keep(RunFeed(self.room_id, message, self.read, self.begin, self.log, self.tell))

    def _keep(self, run: RunFeed) -> RunFeed:
        self._runs[run.message.id] = run
        for key in [key for key, one in self._runs.items() if one.is_over][: max(0, len(self._runs) - KEPT_RUNS)]:
            del self._runs[key]
        return run

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.log.error("answer_feed_broke", room_id=str(self.room_id), error=repr(error))
