"""What presence promises, on the fake and on Redis."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from attrs import frozen

from adapters.redis.client import connect
from adapters.redis.live import RedisBus
from adapters.redis.presence import RedisPresence
from application.ports.live import LiveBus, LiveNote, NoteKind
from application.ports.presence import Entry, Presence
from domain.ids import RoomId, UserId
from domain.rooms import Sender
from tests.contracts.test_live_bus import Ear
from tests.fakes.live import MemoryBus
from tests.fakes.presence import MemoryPresence

LONG = timedelta(seconds=60)
ADA, BOB = (Sender(id=UserId(uuid4()), name=name) for name in ('Ada "the" é', "Bob"))


@frozen
class Place:
    """Presence, and the bus on which it tells."""

    presence: Presence
    bus: LiveBus


@pytest.fixture
def fake_place() -> Place:
    bus = MemoryBus()
    return Place(MemoryPresence(bus), bus)


@pytest.fixture
async def redis_place(clean_redis_url: str) -> AsyncIterator[Place]:
    client = connect(clean_redis_url)
    bus = RedisBus(client)
    yield Place(RedisPresence(client), bus)
    await bus.aclose()
    await client.aclose()


@pytest.fixture(params=["fake", "redis"])
def place(request: pytest.FixtureRequest) -> Place:
    found: Place = request.getfixturevalue(f"{request.param}_place")
    return found


@pytest.fixture
def room_id() -> RoomId:
    return RoomId(uuid4())


def diffs(ear: Ear) -> list[tuple[list[str], list[str]]]:
    """Names that joined and left, by diff."""
    found: list[dict[str, Any]] = [
        json.loads(note.body) for note in ear.messages if isinstance(note, LiveNote) and note.kind is NoteKind.PRESENCE
    ]
    return [tuple([one["name"] for one in diff[part]] for part in ("joins", "leaves")) for diff in found]  # type: ignore[misc]


async def test_who_enters_is_there_and_told(place: Place, room_id: RoomId) -> None:
    """Each change counts the version on by one."""
    ear = Ear()
    await place.bus.subscribe(room_id, ear)
    empty = await place.presence.look(room_id)
    one = await place.presence.enter(room_id, [Entry(connection_id="a", member=ADA)], lives=LONG)
    two = await place.presence.enter(room_id, [Entry(connection_id="b", member=BOB)], lives=LONG)
    await ear.until(lambda ear: len(ear.messages) == 2)

    assert (empty.members, one.members, set(two.members)) == ((), (ADA,), {ADA, BOB})
    assert [one.version - empty.version, two.version - empty.version] == [1, 2]
    assert diffs(ear) == [([ADA.name], []), ([BOB.name], [])]


async def test_two_tabs_are_one_member(place: Place, room_id: RoomId) -> None:
    """The second is not told, and the member is there until the last one ends."""
    ear = Ear()
    await place.bus.subscribe(room_id, ear)
    tabs = [Entry(connection_id=tab, member=ADA) for tab in "ab"]
    await place.presence.enter(room_id, tabs[:1], lives=LONG)
    both = await place.presence.enter(room_id, tabs, lives=LONG)
    left = await place.presence.keep(room_id, tabs[:1], lives=timedelta())
    gone = await place.presence.keep(room_id, tabs[1:], lives=timedelta())
    await ear.until(lambda ear: len(ear.messages) == 2)

    assert (both.members, left.members, gone.members) == ((ADA,), (ADA,), ())
    assert diffs(ear) == [([ADA.name], []), ([], [ADA.name])]


async def test_who_falls_silent_is_gone(place: Place, room_id: RoomId) -> None:
    """After the time it lives; who says that it is there goes on."""
    brief = timedelta(seconds=0.3)
    entries = [Entry(connection_id=str(name.id), member=name) for name in (ADA, BOB)]
    await place.presence.enter(room_id, entries, lives=brief)
    await place.presence.keep(room_id, entries[:1], lives=LONG)
    async with asyncio.timeout(5):
        while len((await place.presence.look(room_id)).members) > 1:  # noqa: ASYNC110 a poll with a deadline
            await asyncio.sleep(0.02)

    assert (await place.presence.look(room_id)).members == (ADA,)


async def test_without_a_look_nobody_is_told(place: Place, room_id: RoomId) -> None:
    """The twin of the test before: somebody has to look, which every process with readers in the room does."""
    ear = Ear()
    await place.bus.subscribe(room_id, ear)
    entry = Entry(connection_id="tab", member=ADA)
    await place.presence.enter(room_id, [entry], lives=timedelta(seconds=0.2))
    await asyncio.sleep(0.4)
    before = len(diffs(ear))
    await place.presence.enter(room_id, [], lives=LONG)
    await ear.until(lambda ear: len(ear.messages) == before + 1)

    assert [(['Ada "the" é'], []), ([], ['Ada "the" é'])] == diffs(ear)
    assert before == 1


async def test_grace(place: Place, room_id: RoomId) -> None:
    """Who comes back on another connection in time was never gone."""
    ear = Ear()
    await place.bus.subscribe(room_id, ear)
    old, new = (Entry(connection_id=tab, member=ADA) for tab in "ab")
    await place.presence.enter(room_id, [old], lives=LONG)
    await place.presence.keep(room_id, [old], lives=timedelta(seconds=0.2))
    await place.presence.enter(room_id, [new], lives=LONG)
    await asyncio.sleep(0.3)
    after = await place.presence.look(room_id)

    assert after.members == (ADA,)
    assert len(ear.messages) == 1


async def test_keeping_lets_nobody_in(place: Place, room_id: RoomId) -> None:
    """A connection that is not there does not appear by ending."""
    state = await place.presence.keep(room_id, [Entry(connection_id="a", member=ADA)], lives=LONG)

    assert state.members == ()
