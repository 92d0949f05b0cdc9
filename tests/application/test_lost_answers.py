"""Writers that die, logs that are lost, and readers who are told the same all the same."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from attrs import evolve

from application.lost_answers import EndLostAnswers
from application.ports.runs import RunEvent
from application.retelling import outline_of, retold
from application.use_cases import UseCases
from domain.access import Actor
from domain.conversations import MessageStatus
from domain.errors import NotFound
from domain.ids import MessageId
from tests.application.conftest import upload
from tests.application.test_answering import BOILING, events_of, names
from tests.fakes.assembly import Assembly
from tests.fakes.models import Pause, stop, text


def elsewhere(assembly: Assembly, tmp_path: Path) -> Assembly:
    """Another process on the same engines."""
    return Assembly(
        root=tmp_path,
        begin=assembly.begin,
        vectors=assembly.vectors,
        run_log=assembly.run_log,
        model=assembly.model,
        log=assembly.log,
    )


def looking(assembly: Assembly) -> EndLostAnswers:
    """One that takes every writer for dead that has not beaten this very moment."""
    end = assembly.use_cases.end_lost_answers
    return evolve(end, silence=timedelta(0))


async def begin_answer(use_cases: UseCases, actor: Actor) -> MessageId:
    conversation = await use_cases.start_conversation(actor)
    asked = await use_cases.post_message(actor, conversation_id=conversation.id, content="When does water boil?")
    return asked.answer.id


async def until_told(assembly: Assembly, message_id: MessageId, words: str) -> None:
    async with asyncio.timeout(5):
        while words not in "".join(str(event.data) for event in assembly.run_log.runs.get(message_id, [])):  # noqa: ASYNC110 the log tells nobody that it grew
            await asyncio.sleep(0.01)


def said(events: list[RunEvent]) -> str:
    return "".join(event.data["text"] for event in events if event.name == "content.delta")


async def die(assembly: Assembly) -> None:
    """What kill -9 leaves: no end is written anywhere."""
    runs = assembly.use_cases.answer_runs
    for task in (*runs._copies, *([runs._beating] if runs._beating else [])):
        task.cancel()
    assembly.begin.database.available = False
    for task in list(runs._tasks.values()):
        task.cancel()
    await asyncio.gather(*runs._tasks.values(), return_exceptions=True)
    assembly.begin.database.available = True
    runs._runs.clear()


async def test_a_dead_writers_answer_is_ended_with_all_that_was_told(
    assembly: Assembly, ann: Actor, tmp_path: Path
) -> None:
    """Text after the last checkpoint is taken from the log; a reader elsewhere is told the end."""
    await upload(assembly, ann, BOILING)
    assembly.model.script(text("Half an answer. "), [Pause()])
    message_id = await begin_answer(assembly.use_cases, ann)
    await until_told(assembly, message_id, "Half an answer")
    other = elsewhere(assembly, tmp_path)
    reading = asyncio.create_task(events_of(other, ann, message_id))
    await asyncio.sleep(0)
    await die(assembly)
    end = looking(other)

    assert [await end(), await end(), await end()] == [0, 1, 0]
    events = await reading
    message = await other.use_cases.show_message(ann, message_id=message_id)
    assert (message.status, message.content) == (MessageStatus.INTERRUPTED, "Half an answer. ")
    assert said(events) == message.content
    assert names(events)[-1] == "message.failed"
    assert events[-1].data["error"]["code"] == "interrupted"
    assert [event.offset for event in events] == list(range(1, len(events) + 1))
    await other.run_log.forget(message_id)
    assert events == await events_of(other, ann, message_id)


async def test_a_writer_that_was_given_up_stops(assembly: Assembly, ann: Actor, tmp_path: Path) -> None:
    """One that was silent for too long finds its answer ended, writes nothing more, and tells its readers so."""
    gate = Pause()
    assembly.model.script(text("One. "), [gate], text("Two."), stop())
    message_id = await begin_answer(assembly.use_cases, ann)
    reading = asyncio.create_task(events_of(assembly, ann, message_id))
    await until_told(assembly, message_id, "One.")
    other = elsewhere(assembly, tmp_path)
    end = looking(other)
    await end()
    await end()
    assembly.use_cases.answer_runs._beat_at = -1000.0  # it stood still for longer than its lease
    gate.until.set()

    events = await reading

    message = await assembly.use_cases.show_message(ann, message_id=message_id)
    assert (message.status, message.content, said(events)) == (MessageStatus.INTERRUPTED, "One. ", "One. ")
    assert events[-1].name == "message.failed"


async def test_a_log_that_comes_back_is_given_what_it_missed(assembly: Assembly, ann: Actor, tmp_path: Path) -> None:
    """An outage in the middle of an answer loses nothing; a reader elsewhere has the same events."""
    gate = Pause()
    assembly.model.script(text("One. "), [gate], text("Two."), stop())
    message_id = await begin_answer(assembly.use_cases, ann)
    own = asyncio.create_task(events_of(assembly, ann, message_id))
    await until_told(assembly, message_id, "One.")
    other = elsewhere(assembly, tmp_path)
    foreign = asyncio.create_task(events_of(other, ann, message_id))
    await asyncio.sleep(0.05)
    await assembly.run_log.fail()
    gate.until.set()
    events = await own
    assert await foreign == events

    await assembly.run_log.forget(message_id)
    assembly.run_log.down = False
    async with asyncio.timeout(5):
        while len(assembly.run_log.runs.get(message_id, [])) < len(events):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert await assembly.run_log.stored(message_id) == events


async def test_a_stream_is_retold_from_the_message_to_the_letter(
    assembly: Assembly, ann: Actor, tmp_path: Path
) -> None:
    """With the log gone for good, every offset still gives the same events."""
    await upload(assembly, ann, BOILING)
    message_id = await begin_answer(assembly.use_cases, ann)
    events = await events_of(assembly, ann, message_id)
    other = elsewhere(assembly, tmp_path)
    await assembly.run_log.fail()

    for after in range(len(events) + 2):
        assert events[after:] == await events_of(other, ann, message_id, after=after)
    assert "citation" in names(events)


async def test_cancelling_reaches_a_writer_elsewhere_without_the_log(
    assembly: Assembly, ann: Actor, tmp_path: Path
) -> None:
    """The wish travels by the database."""
    assembly.model.script(text("Thinking"), [Pause()])
    message_id = await begin_answer(assembly.use_cases, ann)
    await until_told(assembly, message_id, "Thinking")
    await assembly.run_log.fail()

    await elsewhere(assembly, tmp_path).use_cases.cancel_answer(ann, message_id=message_id)
    async with asyncio.timeout(5):
        events = await events_of(assembly, ann, message_id)

    assert events[-1].data["message"]["status"] == "cancelled"


async def test_a_database_that_is_away_slows_and_ends_nothing(assembly: Assembly, ann: Actor) -> None:
    """Beats and checkpoints are missed, the answer is written; that it was not stored is told, and mended later."""
    gate = Pause()
    assembly.model.script(text("One. "), [gate], text("Two."), stop())
    message_id = await begin_answer(assembly.use_cases, ann)
    reading = asyncio.create_task(events_of(assembly, ann, message_id))
    await until_told(assembly, message_id, "One.")
    assembly.begin.database.available = False
    gate.until.set()
    events = await reading
    assembly.begin.database.available = True

    assert said(events) == "One. Two."
    assert (events[-1].name, events[-1].data["error"]["code"]) == ("message.failed", "database_unavailable")
    end = looking(assembly)
    await end()
    assert await end() == 1
    message = await assembly.use_cases.show_message(ann, message_id=message_id)
    assert (message.status, message.content) == (MessageStatus.FAILED, "One. Two.")
    assert message.error is not None
    assert message.error.code == "database_unavailable"


async def test_what_a_reader_may_not_read_is_left_out_of_the_stream(assembly: Assembly, ann: Actor) -> None:
    """After the document was deleted the text is told, its title and words are not."""
    document = await upload(assembly, ann, BOILING)
    message_id = await begin_answer(assembly.use_cases, ann)
    before = await events_of(assembly, ann, message_id)
    await assembly.use_cases.delete_document(ann, document_id=document.id)

    after = await events_of(assembly, ann, message_id)

    assert said(before) == said(after)
    assert "citation" in names(before)
    assert "citation" not in names(after)
    assert after[-1].data["message"]["citations"] == []
    assert "sea level" not in str([event.data for event in after if event.name != "content.delta"])


async def test_deleted_conversations_end_their_streams(assembly: Assembly, ann: Actor) -> None:
    """A message that is not there has no stream."""
    with pytest.raises(NotFound):
        await events_of(assembly, ann, MessageId(ann.user_id))


async def test_an_outline_covers_a_part(assembly: Assembly, ann: Actor) -> None:
    """What is still being written is retold as far as it was noted; an ended answer always to its end."""
    await upload(assembly, ann, BOILING)
    message_id = await begin_answer(assembly.use_cases, ann)
    events = await events_of(assembly, ann, message_id)
    message = await assembly.use_cases.show_message(ann, message_id=message_id)
    streaming = evolve(message, status=MessageStatus.STREAMING, completed_at=None)

    for count in range(1, len(events)):
        assert names(events[:count]) == names(retold(streaming, None, outline_of(events[:count])))
    assert said(retold(message, None, None)) == message.content
