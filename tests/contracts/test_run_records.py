"""What every store of run records promises."""

from datetime import timedelta

from application.ports.runs import Draft
from domain.conversations import Message, MessageStatus, Speaker
from domain.ids import MessageId
from tests.contracts.units import NOW, Team, Units, found_team, make_conversation, make_message, new_id

LONG, NONE = timedelta(hours=1), timedelta(0)


async def begun(units: Units, team: Team) -> Message:
    """An answer being written, committed."""
    conversation = make_conversation(team)
    answer = make_message(conversation, role=Speaker.ASSISTANT, status=MessageStatus.STREAMING, content="")
    async with units.begin(team.id) as work:
        await work.conversations.add(conversation)
        await work.messages.add(answer)
        await work.runs.open(answer, team.owner.id)
        await work.commit()
    return answer


async def test_a_run_keeps_what_it_was_opened_with(units: Units) -> None:
    """Plain JSON; nothing for a run without, and for an unknown one."""
    team = await found_team(units)
    without = await begun(units, team)
    scope = {"use_knowledge": True, "filters": {"tags": ["\u00e4", "b"], "metadata": {"share": 0.5, "no": None}}}
    conversation = make_conversation(team)
    answer = make_message(conversation, role=Speaker.ASSISTANT, status=MessageStatus.STREAMING, content="")
    async with units.begin(team.id) as work:
        await work.conversations.add(conversation)
        await work.messages.add(answer)
        await work.runs.open(answer, team.owner.id, scope=scope)
        await work.commit()

    async with units.begin(team.id) as work:
        kept = [await work.runs.scope(key) for key in (answer.id, without.id, MessageId(new_id()))]

    assert kept == [scope, None, None]


async def test_a_beat_tells_which_runs_go_on_and_who_is_to_stop(units: Units) -> None:
    """Ended and unknown runs are left out; a wish to cancel is seen by the writer, whoever had it."""
    team = await found_team(units)
    first, second, ended = [await begun(units, team) for _ in range(3)]
    async with units.begin(team.id) as work:
        await work.runs.request_cancel(second.id)
        await work.runs.request_cancel(second.id)
        await work.runs.request_cancel(MessageId(new_id()))
        await work.runs.end(ended.id)
        await work.runs.end(ended.id)
        await work.commit()

    async with units.begin(None) as work:
        told = await work.runs.beat([first.id, second.id, ended.id, MessageId(new_id())])

    assert told == {first.id: False, second.id: True}


async def test_silent_runs_are_found_until_they_are_ended(units: Units) -> None:
    """Who has not beaten for long enough, longest silence first; a beat or the end makes it known no more."""
    team = await found_team(units)
    first, second = await begun(units, team), await begun(units, team)
    async with units.begin(None) as work:
        assert [first, second] == await work.runs.silent(since=NONE, limit=10)
        assert [first] == await work.runs.silent(since=NONE, limit=1)
        assert await work.runs.silent(since=LONG, limit=10) == []
        await work.runs.beat([first.id])
        assert [second, first] == await work.runs.silent(since=NONE, limit=10)
        await work.runs.end(second.id)
        assert [first] == await work.runs.silent(since=NONE, limit=10)
        assert await work.runs.is_silent(first.id, since=NONE)
        assert not await work.runs.is_silent(first.id, since=LONG)
        assert not await work.runs.is_silent(second.id, since=NONE)


async def test_outlines_come_back_in_their_order(units: Units) -> None:
    """Keys of objects stay where they were, since readers are told them to the letter."""
    team = await found_team(units)
    answer = await begun(units, team)
    outline = [{"model": "claude"}, {"name": "retrieval.started", "data": {"zz": 0.1, "a": "ü"}}, 3, "c"]
    async with units.begin(team.id) as work:
        assert await work.runs.outline(answer.id) is None
        await work.runs.note(answer.id, outline)
        await work.runs.note(MessageId(new_id()), outline)
        await work.commit()
    async with units.begin(team.id) as work:
        found = await work.runs.outline(answer.id)
        assert await work.runs.outline(MessageId(new_id())) is None

    assert repr(outline) == repr(found)


async def test_checkpoints_of_many_answers_leave_those_that_are_over(units: Units) -> None:
    """Text and outline of each are kept at once; an answer that ended meanwhile stays as it ended."""
    team = await found_team(units)
    first, second, over = [await begun(units, team) for _ in range(3)]
    ended = over.grown("The end.", ()).ended(MessageStatus.COMPLETE, now=NOW)
    async with units.begin(team.id) as work:
        await work.messages.save(ended)
        await work.runs.note(over.id, [8])
        await work.runs.end(over.id)
        await work.commit()

    names = {first.id: "One", second.id: "Two", over.id: "The", MessageId(new_id()): "Nobody's"}
    async with units.begin(None) as work:
        await work.runs.keep([])
        await work.runs.keep([draft(message_id, text) for message_id, text in names.items()])
        await work.commit()

    async with units.begin(team.id) as work:
        kept = [await work.messages.get(message.id) for message in (first, second, over)]
        outlines = [await work.runs.outline(message.id) for message in (first, second, over)]
    assert [first.grown("One", ()), second.grown("Two", ()), ended] == kept
    assert outlines == [[3], [3], [8]]


def draft(message_id: MessageId, text: str) -> Draft:
    return Draft(message_id=message_id, content=text, citations=(), outline=[len(text)])


async def test_what_is_being_written_is_counted(units: Units) -> None:
    """By workspace and by user in it; what ended does not count."""
    team, other = await found_team(units), await found_team(units)
    first, _ = await begun(units, team), await begun(units, team)
    await begun(units, other)
    async with units.begin(team.id) as work:
        before = await work.runs.active(team.id, team.owner.id)
        await work.runs.end(first.id)
        after = await work.runs.active(team.id, other.owner.id)

    assert (before.of_workspace, before.of_user) == (2, 2)
    assert (after.of_workspace, after.of_user) == (1, 0)


async def test_whether_a_message_was_saved_is_told(units: Units) -> None:
    """The writer learns that somebody else ended the answer."""
    team = await found_team(units)
    answer = await begun(units, team)
    async with units.begin(team.id) as work:
        assert await work.messages.save(answer.grown("Half", ()))
        assert await work.messages.save(answer.ended(MessageStatus.INTERRUPTED, now=NOW))
        assert not await work.messages.save(answer.ended(MessageStatus.COMPLETE, now=NOW))


async def test_which_answers_of_a_conversation_are_being_written(units: Units) -> None:
    """Those that are not ended, also seen by a unit of work that is bound to no workspace."""
    team = await found_team(units)
    first, other = await begun(units, team), await begun(units, team)
    for workspace_id in (team.id, None):
        async with units.begin(workspace_id) as work:
            assert await work.runs.written_in(first.conversation_id) == [first]
    async with units.begin(team.id) as work:
        await work.runs.end(first.id)
        await work.commit()
    async with units.begin(team.id) as work:
        assert await work.runs.written_in(first.conversation_id) == []
        assert await work.runs.written_in(other.conversation_id) == [other]
