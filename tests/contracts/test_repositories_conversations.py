"""What repositories of conversations and messages keep."""

from datetime import timedelta

from attrs import evolve

from domain.answers import Citation
from domain.conversations import AnswerError, Message, MessageStatus, Speaker, Usage
from domain.feedback import Feedback, Rating
from domain.ids import ChunkId, ConversationId, DocumentId, MessageId
from domain.passages import PageBoxes
from tests.contracts.units import NOW, Units, found_team, make_conversation, make_message, make_user, new_id


def a_citation() -> Citation:
    return Citation(
        index=0,
        claim_from=0,
        claim_to=12,
        chunk_id=ChunkId(new_id()),
        document_id=DocumentId(new_id()),
        document_title="On “quotes”",
        page_from=3,
        page_to=None,
        quote="so it is",
        boxes=(PageBoxes(page=3, rects=((1.0, 2.0, 3.5, 4.0),)),),
    )


async def test_conversations_come_back_as_they_were_saved(units: Units) -> None:
    """By id, in the version saved last."""
    team = await found_team(units)
    conversation = make_conversation(team, instructions="Be brief.", model="claude")
    titled = conversation.titled_after("What is it?", NOW + timedelta(minutes=1))
    async with units.begin(team.id) as work:
        await work.conversations.add(conversation)
        assert conversation == await work.conversations.get(conversation.id)
        await work.conversations.save(titled)
        assert titled == await work.conversations.get(conversation.id)
        assert await work.conversations.get(ConversationId(new_id())) is None


async def test_conversations_of_a_user_come_newest_first(units: Units) -> None:
    """Page by page, nobody else's."""
    team = await found_team(units)
    other = make_user()
    mine = [make_conversation(team, created_at=NOW + timedelta(minutes=n)) for n in range(3)]
    async with units.begin(None) as work:
        await work.users.add(other)
        for conversation in (*mine, make_conversation(team, created_by=other.id)):
            await work.conversations.add(conversation)
        first = await work.conversations.of_user(team.id, team.owner.id, limit=2)
        await work.conversations.add(make_conversation(team, created_at=NOW + timedelta(days=1)))
        second = await work.conversations.of_user(team.id, team.owner.id, limit=2, after=first[-1].id)

    assert mine[::-1] == [*first, *second]


async def test_messages_come_back_with_everything(units: Units) -> None:
    """Citations, usage and errors survive."""
    team = await found_team(units)
    conversation = make_conversation(team)
    question = make_message(conversation)
    answer = make_message(
        conversation,
        parent_id=question.id,
        role=Speaker.ASSISTANT,
        status=MessageStatus.STREAMING,
        content="",
        created_by=None,
        model="claude",
    )
    grown = answer.grown("Because so it is.", (a_citation(), evolve(a_citation(), index=1)))
    ended = grown.ended(
        MessageStatus.FAILED,
        now=NOW + timedelta(seconds=3),
        stop_reason="end_turn",
        usage=Usage(input_tokens=1, output_tokens=2, cache_read_input_tokens=3, cache_creation_input_tokens=4),
        error=AnswerError(code="overloaded", message="Try again.", retryable=True),
    )
    async with units.begin(team.id) as work:
        await work.conversations.add(conversation)
        await work.messages.add(question)
        await work.messages.add(answer)
        assert question == await work.messages.get(question.id)
        await work.messages.save(grown)
        assert grown == await work.messages.get(answer.id)
        await work.messages.save(ended)
        assert ended == await work.messages.get(answer.id)
        assert await work.messages.get(MessageId(new_id())) is None


async def test_what_is_over_does_not_change(units: Units) -> None:
    """The first end stands, whoever saves later."""
    team = await found_team(units)
    conversation = make_conversation(team)
    streaming = make_message(conversation, role=Speaker.ASSISTANT, status=MessageStatus.STREAMING)
    cancelled = streaming.ended(MessageStatus.CANCELLED, now=NOW)
    async with units.begin(team.id) as work:
        await work.conversations.add(conversation)
        await work.messages.add(streaming)
        await work.messages.save(cancelled)
        await work.messages.save(streaming.ended(MessageStatus.COMPLETE, now=NOW))
        await work.messages.save(make_message(conversation))

        assert cancelled == await work.messages.get(streaming.id)
        assert [cancelled] == await work.messages.page(conversation.id, limit=10)


async def test_messages_are_listed_from_old_to_new(units: Units) -> None:
    """Page by page; the latest is the last."""
    team = await found_team(units)
    conversation, other = make_conversation(team), make_conversation(team)
    messages = [make_message(conversation, created_at=NOW + timedelta(minutes=n)) for n in range(4)]
    async with units.begin(team.id) as work:
        await work.conversations.add(conversation)
        await work.conversations.add(other)
        assert await work.messages.latest(conversation.id) is None
        for message in (*reversed(messages), make_message(other)):
            await work.messages.add(message)
        first = await work.messages.page(conversation.id, limit=3)
        second = await work.messages.page(conversation.id, limit=3, after=first[-1].id)

        assert messages == [*first, *second]
        assert messages[-1] == await work.messages.latest(conversation.id)


async def test_a_thread_is_the_message_and_its_ancestors(units: Units) -> None:
    """Oldest first, without siblings, the last of them where there are more than asked for."""
    team = await found_team(units)
    conversation = make_conversation(team)
    chain: list[Message] = []
    for _ in range(4):
        chain.append(make_message(conversation, parent_id=chain[-1].id if chain else None))
    sibling = make_message(conversation, parent_id=chain[1].id)
    async with units.begin(team.id) as work:
        await work.conversations.add(conversation)
        assert await work.messages.latest_thread(conversation.id, limit=10) == []
        await work.messages.add(*chain)
        assert chain == await work.messages.latest_thread(conversation.id, limit=10)
        assert chain[3:] == await work.messages.latest_thread(conversation.id, limit=1)
        await work.messages.add(sibling)

        assert chain == await work.messages.thread(chain[-1].id, limit=10)
        assert chain[2:] == await work.messages.thread(chain[-1].id, limit=2)
        assert [chain[0], chain[1], sibling] == await work.messages.thread(sibling.id, limit=10)
        assert await work.messages.thread(MessageId(new_id()), limit=10) == []


async def test_conversations_are_found_by_what_was_said(units: Units) -> None:
    """Title or any message, in any case; signs of patterns mean themselves."""
    team = await found_team(units)
    titled = make_conversation(team, title="Notice PERIODS", created_at=NOW)
    talked = make_conversation(team, created_at=NOW + timedelta(minutes=1))
    async with units.begin(team.id) as work:
        await work.conversations.add(titled)
        await work.conversations.add(talked)
        await work.messages.add(make_message(talked, content="Are 100% of the notice periods kept?"))

        async def found(text: str) -> list[ConversationId]:
            page = await work.conversations.of_user(team.id, team.owner.id, limit=10, text=text)
            return [one.id for one in page]

        assert await found("notice periods") == [talked.id, titled.id]
        assert await found("100%") == [talked.id]
        assert await found("1%f") == []


async def test_a_removed_conversation_takes_its_messages_along(units: Units) -> None:
    """Messages, runs and ratings go too; removing again is harmless."""
    team = await found_team(units)
    conversation, other = make_conversation(team), make_conversation(team)
    answer, stays = make_message(conversation), make_message(other)
    async with units.begin(team.id) as work:
        for one in (conversation, other):
            await work.conversations.add(one)
        for message in (answer, stays):
            await work.messages.add(message)
            await work.runs.open(message, team.owner.id)
        await work.conversations.remove(conversation.id)
        await work.conversations.remove(conversation.id)

        assert await work.conversations.get(conversation.id) is None
        assert await work.messages.get(answer.id) is None
        assert await work.messages.get(stays.id) == stays
        assert (await work.runs.active(team.id, team.owner.id)).of_user == 1


async def test_the_newest_rating_of_each_reader_counts(units: Units) -> None:
    """In place of the one before."""
    team = await found_team(units)
    conversation = make_conversation(team)
    message = make_message(conversation)
    first = Feedback(
        message_id=message.id, workspace_id=team.id, user_id=team.owner.id, rating=Rating.DOWN, given_at=NOW
    )
    second = evolve(first, rating=Rating.UP, comment="After all.", given_at=NOW + timedelta(minutes=1))
    async with units.begin(team.id) as work:
        await work.conversations.add(conversation)
        await work.messages.add(message)
        assert await work.messages.feedback(message.id) == []
        await work.messages.rate(first)
        await work.messages.rate(second)

        assert await work.messages.feedback(message.id) == [second]
