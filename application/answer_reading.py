"""Following an answer: from this process, from the log of its run, or from what the database knows of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, Final
from uuid import UUID

from attrs import define, evolve, field, frozen

from application.answer_runs import AnswerRuns
from application.conversation_access import ConversationAccess
from application.errors import CacheUnavailable
from application.ports.runs import RunEvent, RunLog
from application.ports.unit_of_work import UnitOfWorkFactory
from application.retelling import retold
from domain.access import Action, Actor
from domain.conversations import Message
from domain.ids import DocumentId, MessageId

SILENCE: Final = 3.0  # seconds without an event after which the database is asked how the answer stands
LOOK_EVERY: Final = 0.5  # seconds between two looks into the database while the log cannot be read


@frozen(kw_only=True)
class ReadAnswer:
    """The event stream of an answer, from any event on, from any process, for any number of readers.

    - A resumed stream gives the missed events with the same number, name and data, also long after the end.
    - Sources and citations of documents that the reader may not read are left out.
    - A question has no events of its own: `not_an_answer` (409).
    - While the log of the run cannot be read, the stream goes on from what was stored, a few seconds behind.
    """

    begin: UnitOfWorkFactory
    runs: AnswerRuns
    log: RunLog
    access: ConversationAccess

    async def __call__(self, actor: Actor, *, message_id: MessageId, after: int = 0) -> AsyncIterator[RunEvent]:
        """Events with a greater offset than `after` until the last; `NotFound`, or `Conflict` for a question."""
        actor.require(Action.CHAT)
        async with self.begin(actor.workspace_id) as work:
            message = await self.access.answer(work, actor, message_id)
        return self._shown(actor, message, after)

    async def own(self, actor: Actor, *, message_id: MessageId) -> AsyncIterator[RunEvent]:
        """The whole stream of an answer that the actor asked for a moment ago: who might ask may read it."""
        run = self.runs.find(message_id)
        return await self(actor, message_id=message_id) if run is None else run.read(0)

    async def _shown(self, actor: Actor, message: Message, after: int) -> AsyncIterator[RunEvent]:
        source = self.everything(message, after)
        # what the asker is told while it is written was searched for with their own eyes a moment ago
        is_live = not message.is_over and message.created_by == actor.user_id
        eyes = None if is_live else _Eyes(self.begin, actor)
        async with aclosing(source) as events:  # type: ignore[type-var]
            async for event in events:
                seen = event if eyes is None else await eyes.see(event)
                if seen is not None:
                    yield seen

    def everything(self, message: Message, after: int = 0) -> AsyncIterator[RunEvent]:
        """The stream for a host that decides by itself who is shown what of it.

        It ends without a last event where the reader was told more than could be stored.
        """
        run = self.runs.find(message.id)
        return run.read(after) if run is not None else self._elsewhere(message, after)

    async def so_far(self, message: Message) -> list[RunEvent]:
        """The events that there are at this moment, for such a host. `DatabaseUnavailable`."""
        run = self.runs.find(message.id)
        if run is not None:
            return list(run.events)
        try:
            logged = await self.log.stored(message.id)
        except CacheUnavailable:
            logged = []
        if logged and (logged[-1].is_last or not message.is_over):
            return logged
        stored = await self._stored(message)
        return stored if message.is_over else max(logged, stored, key=len)

    async def _elsewhere(self, message: Message, position: int) -> AsyncIterator[RunEvent]:
        """A run of another process, or of the past."""
        is_over = message.is_over
        while True:
            async for event in self._logged(message.id, position):
                yield event
                position = event.offset
                if event.is_last:
                    return
            stored = await self._stored(message)
            if not stored:
                return  # the conversation was deleted
            for event in stored:
                is_over = is_over or event.is_last
                if event.offset > position:
                    yield event
                    position = event.offset
            if is_over:
                return
            await asyncio.sleep(LOOK_EVERY)

    async def _logged(self, message_id: MessageId, position: int) -> AsyncIterator[RunEvent]:
        """What the log tells, until it ends, fails, or says nothing for a while."""
        try:
            async with aclosing(self.log.read(message_id, after=position)) as events:  # type: ignore[type-var]
                while True:
                    async with asyncio.timeout(SILENCE):
                        event = await anext(events, None)
                    if event is None:
                        return
                    yield event
        except (CacheUnavailable, TimeoutError):
            return

    async def _stored(self, message: Message) -> list[RunEvent]:
        async with self.begin(message.workspace_id) as work:
            stored = await work.messages.get(message.id)
            if stored is None:
                return []
            question = await work.messages.get(stored.parent_id) if stored.parent_id else None
            return retold(stored, question, await work.runs.outline(stored.id))


@define
class _Eyes:
    """What one reader may see of the events."""

    begin: UnitOfWorkFactory
    actor: Actor
    _known: dict[str, bool] = field(factory=dict)

    async def see(self, event: RunEvent) -> RunEvent | None:
        """The event without what is not for this reader; None where nothing is left."""
        if event.name == "citation":
            return event if await self._may_read([event.data]) else None
        if event.name == "retrieval.completed":
            return evolve(event, data={**event.data, "sources": await self._may_read(event.data["sources"])})
        if event.is_last and event.data["message"]["citations"]:
            message = event.data["message"]
            kept = await self._may_read(message["citations"])
            return evolve(event, data={**event.data, "message": {**message, "citations": kept}})
        return event

    async def _may_read(self, items: list[Any]) -> list[Any]:
        """Those whose document may be read; each document is asked about once a stream."""
        unknown = {item["document_id"] for item in items} - self._known.keys()
        if unknown:
            async with self.begin(self.actor.workspace_id) as work:
                documents = await work.documents.get_many([DocumentId(UUID(key)) for key in unknown])
            readable = {
                str(document.id)
                for document in documents.values()
                if not document.is_deleted and self.actor.can_read(document.collection_id)
            }
            self._known.update({key: key in readable for key in unknown})
        return [item for item in items if self._known[item["document_id"]]]
