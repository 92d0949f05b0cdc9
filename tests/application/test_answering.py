"""Answers as runs: their events, their citations, and every way in which they can end."""

import asyncio
from collections.abc import Sequence

import pytest

from application.errors import ModelFailed, ModelUnavailable
from application.ports.models import CitationPart, StopReason, TextPart, ToolCall
from application.ports.runs import RunEvent
from application.sources import make_source
from domain.access import Actor
from domain.answers import ClaimedCitation
from domain.conversations import MessageStatus
from domain.errors import Conflict, NotFound
from domain.ids import ConversationId, MessageId
from tests.application.conftest import member, upload
from tests.fakes.assembly import Assembly
from tests.fakes.models import BlockEnded, BlockStarted, Pause, claim, stop, text

BOILING = "Water boils at 100 degrees at sea level. It freezes at 0 degrees."


async def ask(
    assembly: Assembly, actor: Actor, question: str = "When does water boil?"
) -> tuple[MessageId, list[RunEvent]]:
    conversation = await assembly.use_cases.start_conversation(actor)
    return await ask_in(assembly, actor, conversation.id, question)


async def ask_in(
    assembly: Assembly, actor: Actor, conversation_id: ConversationId, question: str
) -> tuple[MessageId, list[RunEvent]]:
    asked = await assembly.use_cases.post_message(actor, conversation_id=conversation_id, content=question)
    return asked.answer.id, await events_of(assembly, actor, asked.answer.id)


async def events_of(assembly: Assembly, actor: Actor, message_id: MessageId, after: int = 0) -> list[RunEvent]:
    stream = await assembly.use_cases.read_answer(actor, message_id=message_id, after=after)
    return [event async for event in stream]


def names(events: Sequence[RunEvent]) -> list[str]:
    return [event.name for event in events]


async def test_deltas_are_the_content_and_citations_point_into_it(assembly: Assembly, ann: Actor) -> None:
    """The deltas joined are the message's content, and each citation's range is its claim."""
    await upload(assembly, ann, BOILING)
    message_id, events = await ask(assembly, ann)

    message = await assembly.use_cases.show_message(ann, message_id=message_id)

    assert message.status is MessageStatus.COMPLETE
    assert message.content == "".join(event.data["text"] for event in events if event.name == "content.delta")
    [citation] = message.citations
    assert message.content[citation.claim_from : citation.claim_to] == "Water boils at 100 degrees at"
    assert citation.quote == "Water boils at 100 degrees at sea level."
    assert names(events)[:3] == ["message.created", "retrieval.started", "retrieval.completed"]
    assert names(events)[-1] == "message.completed"
    assert [event.offset for event in events] == list(range(1, len(events) + 1))


@pytest.mark.parametrize(
    "broken",
    [
        ClaimedCitation(source_uri="kb://nowhere", block_from=0, block_to=1, quote="Water boils"),
        ClaimedCitation(source_uri="SOURCE", block_from=0, block_to=99, quote="Water boils"),
        ClaimedCitation(source_uri="SOURCE", block_from=0, block_to=1, quote="Water boils at 90 degrees."),
    ],
    ids=["unknown source", "outside the source", "other words"],
)
async def test_a_citation_that_does_not_hold_is_not_shown(
    assembly: Assembly, ann: Actor, broken: ClaimedCitation
) -> None:
    """Unknown sources, places outside of them and changed quotes are dropped; the text stays."""
    await upload(assembly, ann, BOILING)
    [passage] = (await assembly.use_cases.search(ann, query="water")).passages
    uri = make_source(passage).uri if broken.source_uri == "SOURCE" else broken.source_uri
    bad = ClaimedCitation(source_uri=uri, block_from=broken.block_from, block_to=broken.block_to, quote=broken.quote)
    assembly.model.script([BlockStarted(), TextPart(text="Soon."), CitationPart(claim=bad), BlockEnded()], stop())

    message_id, events = await ask(assembly, ann)

    assert "citation" not in names(events)
    assert (await assembly.use_cases.show_message(ann, message_id=message_id)).content == "Soon."
    assert ("warning", "citations_dropped", {"count": 1}) in assembly.log.lines


async def test_a_model_that_cannot_be_reached_fails_the_answer(assembly: Assembly, ann: Actor) -> None:
    """The stream ends with message.failed, and the message says why."""
    assembly.model.refusals.append(ModelUnavailable("The model is overloaded.", retry_after=3))

    message_id, events = await ask(assembly, ann)

    assert events[-1].name == "message.failed"
    assert events[-1].data["error"] == {
        "code": "llm_unavailable",
        "message": "The model is overloaded.",
        "retryable": True,
        "retry_after": 3,
    }
    assert MessageStatus.FAILED is (await assembly.use_cases.show_message(ann, message_id=message_id)).status


async def test_a_broken_stream_keeps_the_text_so_far(assembly: Assembly, ann: Actor) -> None:
    """What was told before the break is in the failed message to the letter."""
    assembly.model.script(text("Half an "), [ModelFailed("It broke.", code="model_stream_broken", retryable=True)])

    message_id, events = await ask(assembly, ann)

    message = await assembly.use_cases.show_message(ann, message_id=message_id)
    assert message.content == "Half an "
    assert "".join(e.data["text"] for e in events if e.name == "content.delta") == message.content
    assert message.error is not None
    assert message.error.code == "model_stream_broken"


async def test_a_defect_ends_the_answer_without_telling_its_words(assembly: Assembly, ann: Actor) -> None:
    """An exception that nobody foresaw becomes a plain error; it is logged."""
    assembly.model.script([RuntimeError("secret path")])

    _, events = await ask(assembly, ann)

    assert events[-1].data["error"]["code"] == "internal"
    assert "secret" not in str(events[-1].data)
    assert any(line[1] == "answer_failed" for line in assembly.log.lines)


async def test_cancelling_keeps_what_was_written(assembly: Assembly, ann: Actor) -> None:
    """A cancelled answer is complete in the stream's sense, with its text and the status cancelled."""
    assembly.model.script(text("Thinking"), [Pause()])
    conversation = await assembly.use_cases.start_conversation(ann)
    asked = await assembly.use_cases.post_message(ann, conversation_id=conversation.id, content="Well?")
    stream = await assembly.use_cases.read_answer(ann, message_id=asked.answer.id)
    seen = []
    async for event in stream:
        seen.append(event.name)
        if event.name == "content.delta":
            await assembly.use_cases.cancel_answer(ann, message_id=asked.answer.id)

    message = await assembly.use_cases.show_message(ann, message_id=asked.answer.id)
    assert seen[-1] == "message.completed"
    assert (message.status, message.content) == (MessageStatus.CANCELLED, "Thinking")
    assert assembly.model.cancelled == 1


async def test_a_server_that_stops_interrupts_its_answers(assembly: Assembly, ann: Actor) -> None:
    """Closing the runs saves what each has, as interrupted."""
    assembly.model.script(text("Not yet"), [Pause()])
    conversation = await assembly.use_cases.start_conversation(ann)
    asked = await assembly.use_cases.post_message(ann, conversation_id=conversation.id, content="Well?")
    stream = await assembly.use_cases.read_answer(ann, message_id=asked.answer.id)
    async for event in stream:
        if event.name == "content.delta":
            await assembly.use_cases.answer_runs.close()

    message = await assembly.use_cases.show_message(ann, message_id=asked.answer.id)
    assert (message.status, message.content) == (MessageStatus.INTERRUPTED, "Not yet")
    assert event.name == "message.failed"


async def test_any_reader_gets_the_same_events_from_anywhere(assembly: Assembly, ann: Actor) -> None:
    """Resuming after an offset gives exactly what was missed, from this process and from the log."""
    await upload(assembly, ann, BOILING)
    message_id, events = await ask(assembly, ann)

    assert events[3:] == await events_of(assembly, ann, message_id, after=3)
    assembly.use_cases.answer_runs._runs.clear()  # as another process sees it
    assert events[3:] == await events_of(assembly, ann, message_id, after=3)


async def test_a_lost_log_falls_back_to_the_message(assembly: Assembly, ann: Actor) -> None:
    """Without the run's log another process tells the message as one short stream."""
    assembly.run_log.down = True
    await upload(assembly, ann, BOILING)
    message_id, events = await ask(assembly, ann)
    assembly.use_cases.answer_runs._runs.clear()

    retold = await events_of(assembly, ann, message_id)

    assert events[-1].name == "message.completed"
    assert events[-1].data == retold[-1].data
    assert any(line[1] == "run_log_lost" for line in assembly.log.lines)


async def test_the_model_may_search_again(assembly: Assembly, ann: Actor) -> None:
    """A tool call searches with the asker's eyes; what it found can be cited; the rounds come to an end."""
    await upload(assembly, ann, BOILING)
    call = ToolCall(id="t1", name="search_knowledge", arguments={"query": "freezes"})
    for _ in range(4):
        assembly.model.script(stop(StopReason.TOOL_USE, call))
    assembly.model.script(text("Done."), stop())

    message_id, events = await ask(assembly, ann)

    assert (await assembly.use_cases.show_message(ann, message_id=message_id)).content == "Done."
    assert [request.tools_allowed for request in assembly.model.requests] == [True, True, True, True, False]
    assert names(events).count("retrieval.completed") == 5
    assert assembly.model.requests[1].rounds[0].results[0].sources


async def test_what_is_said_after_a_search_is_a_paragraph_of_its_own(assembly: Assembly, ann: Actor) -> None:
    """Words before a tool call and after it do not run into each other, in the stream as in the message."""
    call = ToolCall(id="t1", name="search_knowledge", arguments={"query": "boil"})
    assembly.model.script(text("Let me look."), stop(StopReason.TOOL_USE, call))
    assembly.model.script(text("At 100 degrees."), stop())

    message_id, events = await ask(assembly, ann)

    content = (await assembly.use_cases.show_message(ann, message_id=message_id)).content
    assert content == "Let me look.\n\nAt 100 degrees."
    assert content == "".join(event.data["text"] for event in events if event.name == "content.delta")


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        (StopReason.MAX_TOKENS, "model_said_nothing"),
        (StopReason.PAUSE_TURN, "model_said_nothing"),
        (StopReason.CONTEXT_WINDOW_EXCEEDED, "model_request_too_large"),
    ],
)
async def test_an_end_without_a_word_is_a_failure(
    assembly: Assembly, ann: Actor, reason: StopReason, code: str
) -> None:
    """A person is told why there is nothing to read."""
    for _ in range(9):
        assembly.model.script(stop(reason))

    message_id, _ = await ask(assembly, ann)

    message = await assembly.use_cases.show_message(ann, message_id=message_id)
    assert (message.status, message.stop_reason) == (MessageStatus.FAILED, reason.value)
    assert message.error is not None
    assert message.error.code == code


@pytest.mark.parametrize("arguments", [None, {}, {"query": ""}, {"query": 7}])
async def test_a_wrong_tool_call_is_told_to_the_model(
    assembly: Assembly, ann: Actor, arguments: dict[str, object] | None
) -> None:
    """Arguments that make no sense become an error result, not a failed answer."""
    call = ToolCall(id="t1", name="search_knowledge", arguments=arguments)
    assembly.model.script(stop(StopReason.TOOL_USE, call))
    assembly.model.script(text("Never mind."), stop())

    message_id, _ = await ask(assembly, ann)

    assert assembly.model.requests[1].rounds[0].results[0].error
    assert MessageStatus.COMPLETE is (await assembly.use_cases.show_message(ann, message_id=message_id)).status


async def test_a_refusal_is_a_failure_that_repeating_does_not_mend(assembly: Assembly, ann: Actor) -> None:
    """The model's refusal ends the answer as failed and not retryable."""
    assembly.model.script(stop(StopReason.REFUSAL))

    _, events = await ask(assembly, ann)

    assert (
        events[-1].name,
        events[-1].data["error"]["code"],
        events[-1].data["error"]["retryable"],
    ) == ("message.failed", "model_refused", False)


async def test_the_next_question_brings_the_talk_so_far(assembly: Assembly, ann: Actor) -> None:
    """History is the earlier questions and answers, plain, and a short follow-up is searched with the one before."""
    conversation = await assembly.use_cases.start_conversation(ann)
    assembly.model.script(text("At 100 degrees."), stop())
    assembly.model.script(text("At 0 degrees."), stop())
    await ask_in(assembly, ann, conversation.id, "When does water boil?")
    _, events = await ask_in(assembly, ann, conversation.id, "And freeze?")

    [_, second] = assembly.model.requests
    assert [turn.text for turn in second.history] == ["When does water boil?", "At 100 degrees."]
    assert events[1].data["query"] == "When does water boil?\nAnd freeze?"
    messages = await assembly.use_cases.list_messages(ann, conversation_id=conversation.id, limit=10)
    assert [None, *(m.id for m in messages[:-1])] == [m.parent_id for m in messages]
    assert (
        await assembly.use_cases.show_conversation(ann, conversation_id=conversation.id)
    ).title == "When does water boil?"


async def test_a_question_waits_for_the_answer_before(assembly: Assembly, ann: Actor) -> None:
    """While an answer is written, the next question to it is refused."""
    assembly.model.script([Pause()])
    conversation = await assembly.use_cases.start_conversation(ann)
    await assembly.use_cases.post_message(ann, conversation_id=conversation.id, content="First?")

    with pytest.raises(Conflict):
        await assembly.use_cases.post_message(ann, conversation_id=conversation.id, content="Second?")
    await assembly.use_cases.answer_runs.close()


async def test_nobody_reads_somebody_elses_answers(assembly: Assembly, ann: Actor) -> None:
    """Conversations and messages of others do not exist."""
    message_id, _ = await ask(assembly, ann)
    bob = await member(assembly, "bob@example.org")

    for call in (assembly.use_cases.show_message, assembly.use_cases.read_answer, assembly.use_cases.cancel_answer):
        with pytest.raises(NotFound):
            await call(bob, message_id=message_id)


async def test_the_answer_goes_on_without_readers(assembly: Assembly, ann: Actor) -> None:
    """A reader who goes away stops nothing."""
    gate = Pause()
    assembly.model.script(text("One. "), [gate], text("Two."), stop())
    conversation = await assembly.use_cases.start_conversation(ann)
    asked = await assembly.use_cases.post_message(ann, conversation_id=conversation.id, content="Well?")
    stream = await assembly.use_cases.read_answer(ann, message_id=asked.answer.id)
    async for event in stream:
        if event.name == "content.delta":
            break
    await stream.aclose()  # type: ignore[attr-defined]
    gate.until.set()
    async with asyncio.timeout(5):
        await asyncio.gather(*assembly.use_cases.answer_runs._tasks.values())

    assert (await assembly.use_cases.show_message(ann, message_id=asked.answer.id)).content == "One. Two."


async def test_sources_are_whole_passages_in_citable_blocks(assembly: Assembly, ann: Actor) -> None:
    """A source's blocks, joined, are the passage's text."""
    await upload(assembly, ann, BOILING)
    [passage] = (await assembly.use_cases.search(ann, query="water")).passages

    source = make_source(passage)

    assert passage.chunk.text == "".join(source.blocks)
    assert len(source.blocks) == 2
    assert claim("Boils.", source)
