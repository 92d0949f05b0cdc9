"""Publishing for connections: many at once are as one after the other."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from attrs import evolve

from application.errors import DatabaseUnavailable
from application.ports.rooms import Appended
from application.rooms_publishing import MOST
from domain.access import Actor, Role
from domain.errors import Conflict, DomainError, Forbidden, NotFound
from domain.ids import RoomId
from domain.rooms import Room, Sender
from tests.application.conftest import member
from tests.contracts.units import make_membership
from tests.fakes.assembly import Assembly


@pytest.fixture
async def room(assembly: Assembly, ann: Actor) -> AsyncIterator[Room]:
    yield await assembly.use_cases.create_room(ann, name="Reading")
    await asyncio.gather(*assembly.use_cases.publish_together._telling)


async def publish(assembly: Assembly, actor: Actor, room: Room, data: Any = None, **members: Any) -> Appended:
    members = {"kind": "update", "client_msg_id": uuid4(), **members}
    sender = Sender(id=actor.user_id, name="Ann")
    return await assembly.use_cases.publish_together(actor, sender, room_id=room.id, data=data, **members)


async def test_many_at_once(assembly: Assembly, ann: Actor, room: Room) -> None:
    """More than fit into one transaction, into two rooms: each in its order, without gaps, told and stored."""
    other = await assembly.use_cases.create_room(ann, name="Other")
    count = MOST + 20
    placed = await asyncio.gather(
        *(publish(assembly, ann, room, n) for n in range(count)), *(publish(assembly, ann, other) for _ in range(5))
    )
    page = await assembly.use_cases.read_events(ann, room_id=room.id, limit=1000)
    await asyncio.gather(*assembly.use_cases.publish_together._telling)

    assert sorted(one.event.seq for one in placed[:count]) == list(range(1, count + 1))
    assert sorted(one.event.seq for one in placed[count:]) == list(range(1, 6))
    assert {event.seq: event.data for event in page.events} == {
        one.event.seq: n for n, one in enumerate(placed[:count])
    }
    assert assembly.live.engine.tops[room.id].seq == count


def _seq(appended: Appended) -> int:
    return appended.event.seq


async def test_refusals_harm_nobody_else(assembly: Assembly, ann: Actor, room: Room) -> None:
    """A room that is gone, one that may not be seen, a viewer, another body under one id: each is told so alone."""
    bob = await member(assembly, "bob@example.org")
    viewer = evolve(bob, workspace_id=ann.workspace_id)
    async with assembly.begin(None) as work:
        await work.workspaces.add_member(make_membership(ann.workspace_id, bob.user_id, Role.VIEWER))
        await work.commit()
    stranger = await member(assembly, "eve@example.org")
    same = uuid4()
    results = await asyncio.gather(
        publish(assembly, ann, room, "first", client_msg_id=same),
        publish(assembly, ann, evolve(room, id=RoomId(uuid4()))),
        publish(assembly, evolve(stranger, workspace_id=ann.workspace_id), room),
        publish(assembly, viewer, room),
        publish(assembly, ann, room, "other", client_msg_id=same),
        publish(assembly, ann, room, "first", client_msg_id=same),
        publish(assembly, ann, room, "last"),
        return_exceptions=True,
    )

    kinds = [one.slug if isinstance(one, DomainError) else type(one) for one in results]
    assert kinds == [
        Appended,
        NotFound.code,
        NotFound.code,
        Forbidden.code,
        "idempotency_conflict",
        Appended,
        Appended,
    ]
    assert isinstance(results[4], Conflict)
    found = [(one.event.seq, one.duplicate) for one in results if isinstance(one, Appended)]
    assert found == [(1, False), (1, True), (2, False)]


async def test_an_outage(assembly: Assembly, ann: Actor, room: Room) -> None:
    """Everybody who waits is told; afterwards it goes on, also where the bus is away."""
    assembly.begin.database.available = False
    results = await asyncio.gather(*(publish(assembly, ann, room) for _ in range(3)), return_exceptions=True)
    assembly.begin.database.available = True
    assembly.live.engine.down = True
    placed = await publish(assembly, ann, room)

    assert all(isinstance(one, DatabaseUnavailable) for one in results)
    assert placed.event.seq == 1


async def test_the_same_at_the_same_moment_elsewhere(assembly: Assembly, ann: Actor, room: Room) -> None:
    """On two processes it is one event, and what is sent beside it is not harmed."""
    other = evolve(assembly)
    same = uuid4()
    placed = await asyncio.gather(
        *(publish(each, ann, room, "same", client_msg_id=same) for each in (assembly, other)),
        *(publish(each, ann, room, "beside") for each in (assembly, other)),
    )
    await asyncio.gather(*other.use_cases.publish_together._telling)

    assert placed[0].event.seq == placed[1].event.seq
    assert sorted(one.duplicate for one in placed[:2]) == [False, True]
    assert {one.event.seq for one in placed} == {1, 2, 3}
