"""Rooms in the database: what the port promises, on the fake and on Postgres."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from attrs import evolve

from application.errors import AlreadyExists, ConcurrentChange
from application.ports.rooms import UQ_CLIENT_MSG_ID, Appended
from domain.access import Role
from domain.ids import RoomId, SessionId, UserId
from domain.rooms import EventKind, NewEvent, Room, Sender
from domain.workspaces import Visibility
from tests.contracts.units import NOW, Team, Units, found_team, make_membership, make_session, make_user, new_id


def make_room(team: Team, **changes: Any) -> Room:
    values: dict[str, Any] = {
        "id": RoomId(new_id()),
        "workspace_id": team.id,
        "name": "Reading",
        "epoch": uuid4(),
        "created_by": team.owner.id,
        "created_at": NOW,
    }
    return Room(**values | changes)


def make_event(team: Team, room: Room, data: Any = "something", **changes: Any) -> NewEvent:
    values: dict[str, Any] = {
        "room_id": room.id,
        "workspace_id": team.id,
        "kind": EventKind.UPDATE,
        "sender": Sender(id=team.owner.id, name=team.owner.name),
        "client_msg_id": uuid4(),
        "data": data,
    }
    return NewEvent(**values | changes)


async def add_room(units: Units, team: Team, **changes: Any) -> Room:
    room = make_room(team, **changes)
    async with units.begin(team.id) as work:
        await work.rooms.add(room)
        await work.commit()
    return room


async def append(units: Units, team: Team, event: NewEvent, *, now: Any = NOW) -> Appended:
    async with units.begin(team.id) as work:
        placed = await work.rooms.append(event, now=now)
        await work.commit()
    return placed


async def add_person(units: Units, team: Team, role: Role = Role.VIEWER) -> UserId:
    user = make_user()
    async with units.begin(None) as work:
        await work.users.add(user)
        await work.workspaces.add_member(make_membership(team.id, user.id, role))
        await work.commit()
    return user.id


async def test_a_room_comes_back_as_it_went(units: Units) -> None:
    """What was added is what is read; an unknown id gives None."""
    team = await found_team(units)
    room = await add_room(units, team, visibility=Visibility.RESTRICTED)
    async with units.begin(team.id) as work:
        assert await work.rooms.get(room.id) == room
        assert await work.rooms.get(RoomId(uuid4())) is None


async def test_saving_never_moves_the_numbering(units: Units) -> None:
    """A room that was loaded before an event and saved after it keeps the event's number."""
    team = await found_team(units)
    room = await add_room(units, team)
    async with units.begin(team.id) as work:
        loaded = await work.rooms.get(room.id)
        assert loaded is not None
        await append(units, team, make_event(team, room))
        await work.rooms.save(loaded.changed(name="Other"))
        await work.commit()
    async with units.begin(team.id) as work:
        stored = await work.rooms.get(room.id)
        assert stored is not None
        assert (stored.name, stored.version, stored.last_seq) == ("Other", 2, 1)
    async with units.begin(team.id) as work:
        with pytest.raises(ConcurrentChange):
            await work.rooms.save(room.changed(name="Late"))


async def test_events_are_numbered_from_one_without_gaps(units: Units) -> None:
    """The numbers follow each other, and pages read them in order from both ends."""
    team = await found_team(units)
    room = await add_room(units, team)
    placed = [await append(units, team, make_event(team, room, {"n": n})) for n in range(1, 8)]

    assert [one.event.seq for one in placed] == [1, 2, 3, 4, 5, 6, 7]
    assert not any(one.duplicate for one in placed)
    async with units.begin(team.id) as work:
        after = await work.rooms.events_after(room.id, 2, limit=3)
        before = await work.rooms.events_before(room.id, 6, limit=2)
        stored = await work.rooms.get(room.id)
    assert after == [one.event for one in placed[2:5]]
    assert [event.seq for event in before] == [4, 5]
    assert stored is not None
    assert stored.last_seq == 7
    assert all(event.epoch == room.epoch for event in after)


@pytest.mark.parametrize("data", [None, "text", 3, [1, {"a": None}], {"ü": "\u2028", "deep": [[[]]]}])
async def test_any_json_value_is_kept(units: Units, data: Any) -> None:
    """The data may be any JSON value."""
    team = await found_team(units)
    room = await add_room(units, team)
    await append(units, team, make_event(team, room, data))
    async with units.begin(team.id) as work:
        [read] = await work.rooms.events_after(room.id, 0, limit=10)
    assert read.data == data


async def test_the_same_message_again_is_the_same_event(units: Units) -> None:
    """Its number is told again and nothing is added; another body under the same id is told apart."""
    team = await found_team(units)
    room = await add_room(units, team)
    event = make_event(team, room, {"b": 1, "a": 2})
    first = await append(units, team, event)
    again = await append(units, team, make_event(team, room, {"a": 2, "b": 1}, client_msg_id=event.client_msg_id))
    other = await append(units, team, make_event(team, room, {"a": 3}, client_msg_id=event.client_msg_id))
    kind = await append(
        units, team, make_event(team, room, event.data, kind=EventKind.MESSAGE, client_msg_id=event.client_msg_id)
    )

    assert (again.event, again.duplicate, again.is_same) == (first.event, True, True)
    assert (other.event.seq, other.duplicate, other.is_same) == (1, True, False)
    assert not kind.is_same
    async with units.begin(team.id) as work:
        assert len(await work.rooms.events_after(room.id, 0, limit=10)) == 1


async def test_the_same_id_in_another_room_is_another_event(units: Units) -> None:
    """Ids of clients are unique within a room only."""
    team = await found_team(units)
    one, two = await add_room(units, team), await add_room(units, team)
    event = make_event(team, one)
    await append(units, team, event)
    placed = await append(units, team, make_event(team, two, client_msg_id=event.client_msg_id))
    assert not placed.duplicate


async def test_a_rollback_gives_the_number_back(units: Units) -> None:
    """An event that was not committed leaves no gap."""
    team = await found_team(units)
    room = await add_room(units, team)
    async with units.begin(team.id) as work:
        assert (await work.rooms.append(make_event(team, room), now=NOW)).event.seq == 1
    placed = await append(units, team, make_event(team, room))
    assert placed.event.seq == 1


async def test_twenty_writers_are_put_in_one_order(units: Units) -> None:
    """Writers at the same moment, some of whom roll back, leave numbers without gaps or repeats."""
    team = await found_team(units)
    room = await add_room(units, team)

    async def write(n: int) -> int | None:
        async with units.begin(team.id) as work:
            seq = (await work.rooms.append(make_event(team, room, {"n": n}), now=NOW)).event.seq
            if n % 3 == 0:
                return None
            await work.commit()
            return seq

    seqs = [seq for seq in await asyncio.gather(*(write(n) for n in range(20))) if seq is not None]
    async with units.begin(team.id) as work:
        stored = [event.seq for event in await work.rooms.events_after(room.id, 0, limit=100)]
    assert sorted(seqs) == list(range(1, len(seqs) + 1)) == stored


async def test_twins_at_the_same_moment(units: Units) -> None:
    """One of two equal messages wins; the other is told so, and finds the event when it looks again."""
    team = await found_team(units)
    room = await add_room(units, team)
    event = make_event(team, room)
    async with units.begin(team.id) as work:
        await work.rooms.append(event, now=NOW)
        twin = asyncio.ensure_future(append(units, team, event))
        await asyncio.sleep(0.05)
        await work.commit()
    with pytest.raises(AlreadyExists) as caught:
        await twin
    again = await append(units, team, event)
    assert caught.value.constraint == UQ_CLIENT_MSG_ID
    assert (again.event.seq, again.duplicate) == (1, True)


async def test_appending_to_a_room_that_is_gone(units: Units) -> None:
    """The room's events go with it, and nothing can be appended."""
    team = await found_team(units)
    room = await add_room(units, team)
    await append(units, team, make_event(team, room))
    async with units.begin(team.id) as work:
        await work.rooms.list_member(room, team.owner.id, now=NOW)
        await work.rooms.forget(room.id)
        await work.commit()
    async with units.begin(team.id) as work:
        assert await work.rooms.get(room.id) is None
        assert await work.rooms.events_after(room.id, 0, limit=10) == []
        assert await work.rooms.listed(room.id) == []
        with pytest.raises(ConcurrentChange):
            await work.rooms.append(make_event(team, room), now=NOW)


async def test_another_workspace_sees_nothing(units: Units) -> None:
    """Neither the room nor its events are there for a unit of work of another workspace."""
    team, other = await found_team(units), await found_team(units)
    room = await add_room(units, team)
    await append(units, team, make_event(team, room))
    async with units.begin(other.id) as work:
        assert await work.rooms.get(room.id) is None
        assert await work.rooms.events_after(room.id, 0, limit=10) == []
        with pytest.raises(ConcurrentChange):
            await work.rooms.append(make_event(other, room), now=NOW)


async def test_lists_show_what_a_member_sees(units: Units) -> None:
    """Open rooms to all, restricted ones to those listed and to admins, oldest first, in pages."""
    team = await found_team(units)
    bob = await add_person(units, team)
    rooms = [
        await add_room(units, team, name="a"),
        await add_room(units, team, name="b", visibility=Visibility.RESTRICTED, created_at=NOW + timedelta(seconds=1)),
        await add_room(units, team, name="c", visibility=Visibility.RESTRICTED, created_at=NOW + timedelta(seconds=2)),
    ]
    async with units.begin(team.id) as work:
        assert await work.rooms.list_member(rooms[2], bob, now=NOW)
        assert not await work.rooms.list_member(rooms[2], bob, now=NOW)
        await work.commit()
    async with units.begin(team.id) as work:

        async def names(role: Role, after: RoomId | None = None, limit: int = 10) -> list[str]:
            found = await work.rooms.page(team.id, seen_by=bob, role=role, limit=limit, after=after)
            return [room.name for room in found]

        assert await names(Role.EDITOR) == ["a", "c"]
        assert await names(Role.ADMIN) == ["a", "b", "c"]
        assert await names(Role.ADMIN, limit=1) == ["a"]
        assert await names(Role.EDITOR, after=rooms[0].id) == ["c"]
        assert await work.rooms.listed(rooms[2].id) == [bob]
        assert await work.rooms.is_listed(rooms[2].id, bob)
        assert await work.rooms.unlist_member(rooms[2].id, bob)
        assert not await work.rooms.unlist_member(rooms[2].id, bob)
        assert not await work.rooms.is_listed(rooms[2].id, bob)


async def test_who_is_admitted(units: Units) -> None:
    """Members with their role; nobody from outside, no disabled user, and not the unlisted to a restricted room."""
    team, other = await found_team(units), await found_team(units)
    viewer, gone = await add_person(units, team), await add_person(units, team)
    room = await add_room(units, team)
    closed = await add_room(units, team, visibility=Visibility.RESTRICTED)
    async with units.begin(None) as work:
        user = await work.users.get(gone)
        assert user is not None
        await work.users.save(user.disabled(NOW))
        await work.rooms.list_member(closed, gone, now=NOW)
        await work.commit()
    asked = [(one.id, who) for one in (room, closed) for who in (team.owner.id, viewer, gone, other.owner.id)]
    async with units.begin(None) as work:
        found = {(one.room_id, one.user_id): one.role for one in await work.rooms.admitted(asked)}
        assert await work.rooms.admitted([]) == []
    assert found == {
        (room.id, team.owner.id): Role.OWNER,
        (room.id, viewer): Role.VIEWER,
        (closed.id, team.owner.id): Role.OWNER,
    }


async def test_which_sessions_are_good(units: Units) -> None:
    """Not those that are revoked, over, unknown, or of a disabled user."""
    team = await found_team(units)
    gone = make_user()
    good = make_session(team.owner.id, b"1")
    revoked = make_session(team.owner.id, b"2").revoked(NOW)
    over = make_session(team.owner.id, b"3", expires_at=NOW)
    theirs = make_session(gone.id, b"4")
    async with units.begin(None) as work:
        await work.users.add(gone)
        for session in (good, revoked, over, theirs):
            await work.login_sessions.add(session)
        await work.users.save(gone.disabled(NOW))
        await work.commit()
    asked = [good.id, revoked.id, over.id, theirs.id, SessionId(uuid4())]
    async with units.begin(None) as work:
        assert await work.rooms.good_sessions(asked, now=NOW) == {good.id}


async def test_positions_and_activity_of_all_workspaces(units: Units) -> None:
    """Bound to no workspace, one sees where every room stands and which had events lately."""
    team, other = await found_team(units), await found_team(units)
    quiet, busy, theirs = await add_room(units, team), await add_room(units, team), await add_room(units, other)
    await append(units, team, make_event(team, quiet), now=NOW - timedelta(seconds=10))
    await append(units, team, make_event(team, busy))
    await append(units, other, make_event(other, theirs))
    async with units.begin(None) as work:
        found = await work.rooms.positions([quiet.id, busy.id, theirs.id, RoomId(uuid4())])
        active = await work.rooms.active_since(NOW - timedelta(seconds=5))
    assert {room_id: room.last_seq for room_id, room in found.items()} == {quiet.id: 1, busy.id: 1, theirs.id: 1}
    assert {room.id for room in active} == {busy.id, theirs.id}


async def test_old_events_are_forgotten(units: Units) -> None:
    """The oldest first and no more than asked for; a room's youngest event stays, however old it is."""
    team = await found_team(units)
    room = await add_room(units, team)
    for age in (5, 4, 3, 2):
        await append(units, team, make_event(team, room), now=NOW - timedelta(days=age))
    async with units.begin(None) as work:
        assert await work.rooms.forget_events(NOW, limit=2) == 2
        assert await work.rooms.forget_events(NOW, limit=10) == 1
        assert await work.rooms.forget_events(NOW, limit=10) == 0
        await work.commit()
    async with units.begin(team.id) as work:
        assert [event.seq for event in await work.rooms.events_after(room.id, 0, limit=10)] == [4]
        assert [event.seq for event in await work.rooms.events_before(room.id, 5, limit=10)] == [4]


async def test_what_was_forgotten_is_not_taken_again(units: Units) -> None:
    """Its number and its id stay taken, also after everything it said is gone; JSON's null is something said."""
    team = await found_team(units)
    room = await add_room(units, team)
    first, null = make_event(team, room), make_event(team, room, data=None)
    for event in (first, null, make_event(team, room)):
        await append(units, team, event, now=NOW - timedelta(days=2))
    async with units.begin(None) as work:
        assert await work.rooms.forget_events(NOW, limit=1) == 1
        await work.commit()

    async with units.begin(team.id) as work:
        assert await work.rooms.find_event(room.id, first.client_msg_id) is None
        found = await work.rooms.find_event(room.id, null.client_msg_id)
        known = await work.rooms.known(first)
        other = await work.rooms.known(evolve(first, data="other words"))
        unknown = await work.rooms.known(make_event(team, room))
    again = await append(units, team, first)
    last = await append(units, team, make_event(team, room))
    assert found is not None
    assert (found.seq, found.data) == (2, None)
    assert known is not None
    assert (known.event.seq, known.duplicate, known.is_same) == (1, True, True)
    assert known.event.sender.id is None
    assert other is not None
    assert not other.is_same
    assert unknown is None
    assert (again.event.seq, again.duplicate, again.is_same) == (1, True, True)
    assert last.event.seq == 4


async def test_many_events_in_one_statement(units: Units) -> None:
    """Of any rooms, in the order in which they are given; known ones stand where they stood, gone rooms are told."""
    team = await found_team(units)
    one, two = await add_room(units, team), await add_room(units, team)
    gone = evolve(one, id=RoomId(new_id()))
    known = make_event(team, one, data={"ü": [None, "\u2028"]})
    await append(units, team, known)
    events = [
        make_event(team, two),
        known,
        make_event(team, one, data=None),
        make_event(team, gone),
        make_event(team, one),
        evolve(known, room_id=two.id),
    ]
    async with units.begin(None) as work:
        placed = await work.rooms.append_all(events, now=NOW)
        await work.commit()
    async with units.begin(team.id) as work:
        stored = [await work.rooms.events_after(room.id, 0, limit=10) for room in (one, two)]
        rooms = await work.rooms.positions([one.id, two.id])
    told = [None if each is None else (each.event.seq, each.duplicate, each.is_same) for each in placed]
    assert told == [(1, False, True), (1, True, True), (2, False, True), None, (3, False, True), (2, False, True)]
    assert stored[0] == [placed[n].event for n in (1, 2, 4)]  # type: ignore[union-attr]
    assert stored[1] == [placed[n].event for n in (0, 5)]  # type: ignore[union-attr]
    assert [rooms[room.id].last_seq for room in (one, two)] == [3, 2]


async def test_statements_of_many_events_beside_each_other(units: Units) -> None:
    """Rooms named in any order by many at once: nobody waits for ever, and the numbering has no gaps."""
    team = await found_team(units)
    rooms = [await add_room(units, team) for _ in range(4)]

    async def write(turn: int) -> None:
        async with units.begin(None) as work:
            chosen = rooms[turn % 4 :] + rooms[: turn % 4]
            await work.rooms.append_all([make_event(team, room) for room in chosen * 2], now=NOW)
            await work.commit()

    await asyncio.gather(*(write(turn) for turn in range(12)))

    async with units.begin(team.id) as work:
        for room in rooms:
            events = await work.rooms.events_after(room.id, 0, limit=100)
            assert [event.seq for event in events] == list(range(1, 25))


async def test_a_twin_among_many_events(units: Units) -> None:
    """Stored by somebody else at the same moment: the whole statement is told so, and a new one finds it."""
    team = await found_team(units)
    room = await add_room(units, team)
    twin = make_event(team, room)

    async def write() -> list[Appended | None]:
        try:
            async with units.begin(None) as work:
                placed = await work.rooms.append_all([twin, make_event(team, room)], now=NOW)
                await work.commit()
                return placed
        except AlreadyExists as error:
            return await write() if error.constraint == UQ_CLIENT_MSG_ID else []

    both = await asyncio.gather(write(), write())

    assert {placed[0].event.seq for placed in both if placed[0] is not None} == {1}
    assert sorted(placed[0].duplicate for placed in both if placed[0] is not None) == [False, True]
