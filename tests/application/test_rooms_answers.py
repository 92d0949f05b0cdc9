"""Claude in a room, over two processes: what is told of an answer, and what who comes back has missed."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from attrs import define, evolve, field

from application.errors import DatabaseUnavailable
from application.ports.live import LiveEvent, LiveNote
from application.ports.rooms import Appended
from application.rooms_feed import Joined
from domain.access import Actor, Role
from domain.conversations import MessageStatus
from domain.errors import Conflict, DomainError, Forbidden
from domain.ids import ConversationId, MessageId, RoomId
from domain.rooms import Room, RoomEvent
from tests.application.test_lost_answers import die, looking, until_told
from tests.fakes.assembly import Assembly
from tests.fakes.live import MemoryBus, MemoryEngine
from tests.fakes.models import BlockEnded, BlockStarted, Pause, TextPart, stop, text


@define(eq=False)
class Reader:
    """Remembers the frames that it is told."""

    frames: list[dict[str, Any]] = field(factory=list)

    def tell(self, room_id: RoomId, message: LiveEvent | LiveNote) -> None:
        self.frames.append(json.loads(message.body))

    def drop(self, room_id: RoomId) -> None:
        self.frames.append({"type": "dropped"})

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [frame for frame in self.frames if frame["type"] == kind]

    @property
    def text(self) -> str:
        return "".join(frame["text"] for frame in self.of("answer_delta"))

    async def until(self, wanted: Callable[["Reader"], object]) -> None:
        async with asyncio.timeout(5):
            while not wanted(self):  # noqa: ASYNC110 a poll with a deadline
                await asyncio.sleep(0.005)


@define
class House:
    """Two processes, and a room in which Ann asks on the first."""

    one: Assembly
    two: Assembly
    ann: Actor
    room: Room

    async def ask(self, content: str = "Why?", assembly: Assembly | None = None, **members: Any) -> Appended:
        ask = (assembly or self.one).use_cases.ask_in_room
        members.setdefault("client_msg_id", uuid4())
        return await ask(self.ann, room_id=self.room.id, content=content, **members)

    async def join(self, assembly: Assembly, reader: Reader, runs: dict[MessageId, int] | None = None) -> Joined:
        return await assembly.use_cases.room_feeds.join(self.room.id, reader, None, runs)

    async def events(self) -> list[RoomEvent]:
        async with self.one.begin(None) as work:
            return await work.rooms.events_after(self.room.id, 0, limit=100)

    async def kinds(self) -> list[str]:
        return [event.kind.value for event in await self.events()]


@pytest.fixture
async def house(tmp_path: Path, assembly: Assembly, ann: Actor) -> AsyncIterator[House]:
    engine = MemoryEngine()
    one = evolve(assembly, live=MemoryBus(engine))
    two = evolve(one, live=MemoryBus(engine))
    room = await one.use_cases.create_room(ann, name="Reading")
    yield House(one, two, ann, room)
    for each in (one, two):
        await each.use_cases.answer_runs.close()
        await each.use_cases.room_feeds.aclose()


async def test_a_killed_writers_end_is_an_event(house: House) -> None:
    """Whoever ends the answer records `answer.completed` in the same transaction, and tells it with the end."""
    house.one.model.script(text("Half. "), [Pause()])
    reader = Reader()
    await house.join(house.two, reader)
    await house.ask()
    await reader.until(lambda reader: reader.text)
    await die(house.one)
    end = looking(house.two)
    await end()
    house.two.live.engine.down = True  # so that the event can be stored and not told
    assert await end() == 1
    stored = await house.events()
    house.two.live.engine.down = False
    await house.two.use_cases.watch_rooms.sweep()
    await reader.until(lambda reader: reader.of("answer_end") and len(reader.of("publication")) == 3)

    assert [event.kind.value for event in stored] == ["message", "answer.started", "answer.completed"]
    assert stored[-1].data == {**stored[1].data, "status": "interrupted"}
    assert stored[1].data["question_seq"] == 1
    assert [frame["seq"] for frame in reader.of("publication")] == [1, 2, 3]
    assert reader.of("answer_end")[0]["status"] == "interrupted"
    assert (reader.text, reader.of("answer_end")[0]["offset"]) == ("Half. ", 1)


async def test_an_end_that_cannot_be_stored_is_no_event(house: House) -> None:
    """Message and event are one transaction: while one cannot be stored, the other is not either."""
    gate = Pause()
    house.one.model.script(text("All. "), [gate], [stop()])
    reader = Reader()
    await house.join(house.one, reader)
    await house.ask()
    await reader.until(lambda reader: reader.text)
    house.one.begin.database.available = False
    gate.until.set()
    await asyncio.sleep(0.05)
    house.one.begin.database.available = True
    before = (await house.kinds(), await statuses(house))
    await reader.until(lambda reader: len(reader.of("publication")) == 3)

    assert before == (["message", "answer.started"], [MessageStatus.STREAMING])
    assert await statuses(house) == [MessageStatus.COMPLETE]


async def statuses(house: House) -> list[MessageStatus]:
    async with house.one.begin(None) as work:
        messages = await work.messages.page(ConversationId(house.room.id), limit=10)
    return [message.status for message in messages if message.parent_id is not None]


async def test_two_who_ask_at_the_same_moment(house: House) -> None:
    """One of them is refused and leaves nothing behind; the same question twice is one question."""
    for _ in range(2):
        house.one.model.script(text("So. "), [Pause()])
    both = await asyncio.gather(house.ask("First?"), house.ask("Second?", assembly=house.two), return_exceptions=True)
    [asked] = [one for one in both if isinstance(one, Appended)]
    [refused] = [one for one in both if isinstance(one, DomainError)]
    again = await asyncio.gather(
        *(
            house.ask(asked.event.data["content"], client_msg_id=asked.event.client_msg_id, assembly=each)
            for each in (house.one, house.two)
        )
    )
    with pytest.raises(Conflict) as other:
        await house.ask("Other words?", client_msg_id=asked.event.client_msg_id)

    assert refused.slug == "answer_in_progress"
    assert await house.kinds() == ["message", "answer.started"]
    assert [(one.event.seq, one.duplicate) for one in again] == [(1, True), (1, True)]
    assert other.value.slug == "idempotency_conflict"


async def test_the_same_question_at_the_same_moment(house: House) -> None:
    """On two processes it is one event and one answer."""
    house.one.model.script(text("So. "), [Pause()])
    client_msg_id = uuid4()
    both = await asyncio.gather(
        *(house.ask(client_msg_id=client_msg_id, assembly=each) for each in (house.one, house.two))
    )

    assert sorted(one.duplicate for one in both) == [False, True]
    assert {one.event.seq for one in both} == {1}
    assert await house.kinds() == ["message", "answer.started"]


async def test_a_question_that_cannot_be_answered_is_not_stored(house: House) -> None:
    """A database that goes away in the middle leaves neither; the same again begins the answer."""
    house.one.model.script(text("So. "), [stop()])
    client_msg_id = uuid4()
    await house.ask("Before?")
    await settled(house, 3)
    house.one.begin.database.available = False
    with pytest.raises(DatabaseUnavailable):
        await house.ask(client_msg_id=client_msg_id)
    house.one.begin.database.available = True
    before = await house.kinds()
    asked = await house.ask(client_msg_id=client_msg_id)
    await settled(house, 6)

    assert len(before) == 3
    assert (asked.duplicate, asked.event.seq) == (False, 4)


async def settled(house: House, count: int) -> None:
    async with asyncio.timeout(5):
        while len(await house.kinds()) < count:  # noqa: ASYNC110 a poll with a deadline
            await asyncio.sleep(0.01)


async def test_what_is_asked_over_http_is_told_too(house: House) -> None:
    """A question in the room's conversation is an event, and so is another answer to it; viewers may not write."""
    await house.ask()
    await settled(house, 3)
    conversation = ConversationId(house.room.id)
    asked = await house.one.use_cases.post_message(house.ann, conversation_id=conversation, content="More?")
    await settled(house, 6)
    await house.one.use_cases.regenerate_answer(house.ann, message_id=asked.answer.id)
    await settled(house, 8)
    viewer = evolve(house.ann, role=Role.VIEWER)
    with pytest.raises(Forbidden):
        await house.one.use_cases.post_message(viewer, conversation_id=conversation, content="Me?")

    kinds = await house.kinds()
    assert kinds[3:] == ["message", "answer.started", "answer.completed", "answer.started", "answer.completed"]


async def test_who_joins_in_the_middle_is_told_the_text_so_far(house: House) -> None:
    """On a process that has not followed it: the text so far is in the reply, and what follows comes live."""
    gates = [Pause(), Pause()]
    house.one.model.script(
        [BlockStarted(), TextPart(text="One. "), gates[0], TextPart(text="Two. "), gates[1]],
        [TextPart(text="Three."), BlockEnded(), stop()],
    )
    first, second, third = Reader(), Reader(), Reader()
    await house.join(house.one, first)
    await house.ask()
    await first.until(lambda reader: reader.text == "One. ")
    message_id = first.of("answer_delta")[0]["message_id"]
    await until_told(house.one, MessageId(UUID(message_id)), "One.")
    [begun] = (await house.join(house.two, second)).runs
    gates[0].until.set()
    await first.until(lambda reader: reader.text == "One. Two. ")
    joined = await house.join(house.two, third, {begun.message_id: 1})
    gates[1].until.set()
    for reader in (first, second, third):
        await reader.until(lambda reader: reader.of("answer_end"))

    assert (begun.start, begun.offset, begun.text, begun.status) == (0, 1, "One. ", MessageStatus.STREAMING)
    assert begun.text + second.text == first.text == "One. Two. Three."
    [resumed] = joined.runs
    assert resumed.start == 1
    assert "One. " + resumed.text + third.text == first.text
    offsets = [frame["offset"] for frame in third.of("answer_delta")]
    assert offsets == list(range(resumed.offset + 1, third.of("answer_end")[0]["offset"] + 1))


async def test_an_answer_that_ended_meanwhile(house: House) -> None:
    """The rest of its text and its end are in the reply, on any process, while its log lives and later."""
    house.one.model.script(text("One. "), text("Two. "), [stop()])
    reader = Reader()
    await house.join(house.one, reader)
    await house.ask()
    await reader.until(lambda reader: reader.of("answer_end"))
    message_id = MessageId(UUID(reader.of("answer_end")[0]["message_id"]))
    count = reader.of("answer_end")[0]["offset"]

    async def rest(assembly: Assembly, offset: int, named: MessageId = message_id) -> list[Any]:
        joined = await house.join(assembly, Reader(), {named: offset})
        return [(state.start, state.offset, state.text, state.status.value) for state in joined.runs]

    assert await rest(house.one, 1) == [(1, count, reader.text[5:], "complete")]
    assert await rest(house.two, 1) == [(1, count, reader.text[5:], "complete")]
    await house.two.use_cases.room_feeds.aclose()
    await house.one.run_log.forget(message_id)
    assert await rest(house.two, count) == [(count, count, "", "complete")]
    assert await rest(house.two, count + 5) == [(0, count, reader.text, "complete")]
    assert await rest(house.two, 0, MessageId(uuid4())) == []


async def test_less_was_stored_than_was_told(house: House) -> None:
    """Writer and log lost together: who had more is told so by the number at the end, and takes up from nothing."""
    house.one.model.script(text("One. "), [Pause()])
    reader = Reader()
    await house.join(house.two, reader)
    await house.ask()
    await reader.until(lambda reader: reader.text)
    message_id = MessageId(UUID(reader.of("answer_delta")[0]["message_id"]))
    await die(house.one)
    await house.one.run_log.forget(message_id)
    end = looking(house.two)
    await end()
    assert await end() == 1
    await reader.until(lambda reader: reader.of("answer_end"))
    again = await house.join(house.two, Reader(), {message_id: 1})

    assert reader.of("answer_end")[0]["offset"] == 0
    assert [(state.start, state.text) for state in again.runs] == [(0, "")]


async def test_engines_that_fail_while_an_answer_is_followed(house: House) -> None:
    """The log and the database go away and come back: every delta is told once and in order."""
    gates = [Pause(), Pause()]
    house.one.model.script(text("One. "), [gates[0]], text("Two. "), [gates[1]], text("Three."), [stop()])
    reader = Reader()
    await house.join(house.two, reader)
    await house.ask()
    await reader.until(lambda reader: reader.text)
    await house.one.run_log.fail()
    gates[0].until.set()
    await asyncio.sleep(0.05)
    house.one.run_log.down = False
    gates[1].until.set()
    await reader.until(lambda reader: reader.of("answer_end"))

    assert reader.text == "One. Two. Three."
    offsets = [frame["offset"] for frame in reader.of("answer_delta")]
    assert offsets == list(range(1, len(offsets) + 1))
