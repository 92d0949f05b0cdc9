"""What one answer has so far, told in small pieces, and its end, stored."""

import asyncio
from typing import Final

from attrs import define, evolve, field

from application.answer_runs import Run
from application.errors import ApplicationError, Unavailable
from application.history import estimated_request, estimated_tokens
from application.ports.models import (
    BlockEnded,
    BlockStarted,
    CitationPart,
    ModelPart,
    ModelRequest,
    TextPart,
    UsagePart,
)
from application.ports.system import Log
from application.ports.unit_of_work import UnitOfWork, UnitOfWorkFactory
from application.retelling import last_event, outline_of
from application.rooms_chronicle import RoomChronicle
from application.views import citation_view
from domain.answers import AnswerDraft
from domain.conversations import AnswerError, Message, MessageStatus, Usage

FLUSH_LENGTH: Final = 512  # characters
PARAGRAPH: Final = "\n\n"
SAVE_ATTEMPTS: Final = 5  # of the end
SAVE_PAUSE: Final = 0.5  # seconds between two attempts
NOT_STORED: Final = AnswerError(
    code="database_unavailable", message="The answer was written but could not be stored. Ask again.", retryable=True
)


@define(eq=False, kw_only=True)
class Writing:
    """One answer on its way from the model to its readers and to the database."""

    begin: UnitOfWorkFactory
    chronicle: RoomChronicle
    report: Log
    run: Run
    message: Message
    draft: AnswerDraft = field(factory=AnswerDraft)
    usage: Usage = field(factory=Usage)
    asked: ModelRequest | None = None  # what the model is answering now; what it cost in all is known at its end
    begun: Usage | None = None  # what the provider counted of that so far
    _pending: str = ""  # not told yet
    _is_new_turn: bool = False

    def current(self) -> Message:
        """The message with all that was written."""
        return evolve(
            self.message.grown(self.draft.content, tuple(self.draft.citations)),
            usage=self.usage + (self.begun or Usage()),
        )

    async def take(self, part: ModelPart) -> None:
        """Write what the model says."""
        match part:
            case BlockStarted():
                self._part_turns()
                self.draft.open_block()
            case TextPart():
                self.draft.add_text(part.text)
                self._pending += part.text
                if len(self._pending) >= FLUSH_LENGTH:
                    await self.flush()
            case CitationPart():
                self.draft.add_claim(part.claim)
            case UsagePart():
                self.begun = part.usage
            case BlockEnded():
                await self.flush()
                await self._close_block()
            case _:
                return

    def begin_turn(self) -> None:
        """The model goes on after a search: what it says next is a paragraph of its own."""
        self._is_new_turn = True

    def _part_turns(self) -> None:
        if self._is_new_turn and self.draft.content and not self.draft.content[-1].isspace():
            self.draft.add_text(PARAGRAPH)
            self._pending += PARAGRAPH
        self._is_new_turn = False

    async def flush(self) -> None:
        """Tell what was not told yet."""
        if self._pending:
            await self.run.emit("content.delta", {"text": self._pending})
            self._pending = ""

    async def _close_block(self) -> None:
        before = self.draft.dropped
        await self._place()
        for citation in self.draft.close_block():
            await self.run.emit("citation", citation_view(citation))
        if self.draft.dropped > before:
            self.report.warning("citations_dropped", count=self.draft.dropped - before)

    async def _place(self) -> None:
        """Learn where the lines stand that the block cites; without the database, the chunks' own boxes must do."""
        chunks = self.draft.unplaced()
        if not chunks:
            return
        try:
            async with self.begin(self.message.workspace_id) as work:
                self.draft.pages.update(await work.passages.pages_of(chunks))
        except Unavailable as error:
            self.report.warning("citations_not_placed", error=error.slug)

    async def end(self, message: Message) -> Message:
        """Save the end in one transaction, then tell it; the message as it stands then.

        The first end stands: where another process ended the answer, that is told. When the database stays away, a
        failure is told, and `EndLostAnswers` stores it later.
        """
        if self._pending and not self.run.is_lost:
            await self.run.tell("content.delta", {"text": self._pending})
            self._pending = ""
        message = await self._saved(message)
        await self.run.tell(*last_event(message))
        return message

    async def _count(self, work: UnitOfWork, message: Message) -> None:
        """What it cost; what a request that was cut off cost is guessed, so that breaking off is not free."""
        used = self.usage if self.asked is None else self.usage + self._cut_off(self.asked, message.content)
        counts = used != Usage() or message.status is MessageStatus.COMPLETE  # extractive answers cost no tokens
        if message.created_by is not None and message.completed_at is not None and counts:
            model, day = message.model or "unknown", message.completed_at.date()
            await work.usage.add(message.workspace_id, message.created_by, model, day, used)

    def _cut_off(self, asked: ModelRequest, content: str) -> Usage:
        said = estimated_tokens(content) if content else 0
        if self.begun is not None:
            return evolve(self.begun, output_tokens=max(self.begun.output_tokens, said))
        return Usage(input_tokens=estimated_request(asked), output_tokens=said) if content else Usage()

    async def _saved(self, message: Message) -> Message:
        outline = outline_of(self.run.events)
        for attempt in range(1, SAVE_ATTEMPTS + 1):
            try:
                async with self.begin(message.workspace_id) as work:
                    if await work.messages.save(message):
                        await self._count(work, message)
                        await work.runs.note(message.id, outline)
                        await work.runs.end(message.id)
                        events = await self.chronicle.ended(work, message)
                        await work.commit()
                    else:
                        return await work.messages.get(message.id) or message
                await self.chronicle.tell(events)
            except ApplicationError as error:
                self.report.error("answer_not_saved", message_id=str(message.id), error=error.slug, attempt=attempt)
                if attempt < SAVE_ATTEMPTS:
                    await asyncio.sleep(SAVE_PAUSE)
            else:
                return message
        return evolve(message, status=MessageStatus.FAILED, error=NOT_STORED)
