"""What keeps the promise that no answer streams for ever."""

import asyncio
from datetime import timedelta
from typing import Final

from attrs import define

from application.answer_runs import LEASE
from application.errors import CacheUnavailable, ConcurrentChange
from application.ports.runs import Outline, RunEvent, RunLog
from application.ports.system import Clock, Log
from application.ports.unit_of_work import UnitOfWorkFactory
from application.retelling import draft_of, outline_of, retold
from application.rooms_chronicle import RoomChronicle
from domain.conversations import AnswerError, Message, MessageStatus

LOOK_EVERY: Final = 2.0  # seconds
INTERRUPTED: Final = AnswerError(
    code="interrupted", message="The server stopped while it wrote this answer. Ask again.", retryable=True
)


@define(eq=False, kw_only=True)
class EndLostAnswers:
    """End the answers whose writers have died, with all that they had told, for readers on every process.

    - The text is the longer of what the last checkpoint and what the log of the run holds.
    - After an outage of the database the first look only looks: writers could not beat either.
    - Many may look at once; each answer is ended by one of them.
    """

    begin: UnitOfWorkFactory
    log: RunLog
    chronicle: RoomChronicle
    clock: Clock
    report: Log
    silence: timedelta = LEASE
    patience: float = 4 * LOOK_EVERY  # seconds between two looks, beyond which something was wrong
    batch: int = 100
    _looked_at: float | None = None

    async def __call__(self) -> int:
        """How many were ended. Raises `DatabaseUnavailable`."""
        now = asyncio.get_running_loop().time()
        first_look = self._looked_at is None or now - self._looked_at > self.patience
        async with self.begin(None) as work:
            silent = await work.runs.silent(since=self.silence, limit=self.batch)
        self._looked_at = now
        if first_look:
            return 0
        return sum([await self._end(message) for message in silent])

    async def _end(self, stored: Message) -> bool:
        try:
            told = await self.log.stored(stored.id)
        except CacheUnavailable:
            told = []
        message = stored
        outline: Outline | None = None
        draft = draft_of(stored.id, told)
        if len(draft.content) >= len(stored.content):
            message, outline = stored.grown(draft.content, draft.citations), draft.outline
        async with self.begin(stored.workspace_id) as work:
            if not await work.runs.is_silent(stored.id, since=self.silence):
                return False
            if outline is None or not told:
                outline = await work.runs.outline(stored.id)
            question = await work.messages.get(stored.parent_id) if stored.parent_id else None
            status, error = _end_of(told)
            message = message.ended(status, now=self.clock.now(), error=error)
            events = retold(message, question, outline)
            saved = await work.messages.save(message)
            await work.runs.note(message.id, outline_of(events))
            await work.runs.end(message.id)
            told_rooms = await self.chronicle.ended(work, message) if saved else ()
            await work.commit()
        self.report.warning("answer_interrupted", message_id=str(message.id), characters=len(message.content))
        await self._tell(message, events)
        await self.chronicle.tell(told_rooms)
        return saved

    async def _tell(self, message: Message, events: list[RunEvent]) -> None:
        """End the log too; readers of a log that is down are told by the database."""
        try:
            await self.log.append(message.id, events)
        except (CacheUnavailable, ConcurrentChange) as error:
            self.report.warning("run_log_not_ended", message_id=str(message.id), error=error.slug)


def _end_of(told: list[RunEvent]) -> tuple[MessageStatus, AnswerError]:
    """What readers were told already, where the writer could tell the end but not store it."""
    if told and told[-1].name == "message.failed":
        return MessageStatus(told[-1].data["message"]["status"]), AnswerError(**told[-1].data["error"])
    return MessageStatus.INTERRUPTED, INTERRUPTED
