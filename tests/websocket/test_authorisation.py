"""Every request of a live connection as each role, with a key that only reads, as stranger and as former member."""

from typing import Any
from uuid import uuid4

import pytest

from domain.access import Role, Scope
from entrypoints.websocket import frames
from tests.fakes.database import MEMBERSHIPS
from tests.websocket.client import Client, connected
from tests.websocket.conftest import House

OK, UNKNOWN, DENIED = None, 102, 103
WITHOUT_A_ROOM = {
    "connect",
    "pong",
    "cancel",
    "refresh",
}  # tried elsewhere
READING = {"join": OK, "history": OK, "presence": OK, "signal": OK, "leave": OK}
ROWS: dict[str, dict[str, int | None]] = {
    "owner": {**READING, "publish": OK, "ask": OK},
    "editor": {**READING, "publish": OK, "ask": OK},
    "viewer": {**READING, "publish": DENIED, "ask": DENIED},
    "reading key": {**READING, "publish": DENIED, "ask": DENIED},
    "stranger": dict.fromkeys([*READING, "publish", "ask"], UNKNOWN),
    "former member": dict.fromkeys([*READING, "publish", "ask"], UNKNOWN),
}


async def token_of(house: House, who: str) -> str:
    """Of somebody who is that."""
    if who == "owner":
        return (await house.person("ada")).token
    if who == "stranger":
        return (await house.person("eve")).token
    if who == "reading key":
        return (
            await house.use_cases.create_api_key(await house.actor(), name="K", scopes=frozenset({Scope.READ}))
        ).secret
    person = await house.invite("bob", Role.VIEWER if who == "viewer" else Role.EDITOR)
    if who == "former member":
        del house.assembly.begin.database.table(MEMBERSHIPS)[(await house.actor()).workspace_id, person.user_id]
    return person.token


async def outcome(client: Client, kind: str, room: str) -> int | None:
    """The error's code, None when it was done."""
    more: dict[str, dict[str, Any]] = {
        "publish": {"client_msg_id": str(uuid4()), "kind": "update", "data": {}},
        "ask": {"client_msg_id": str(uuid4()), "content": "Why?"},
        "signal": {"name": "typing"},
    }
    if kind == "signal":  # answered only when it is refused, and then before the next request
        await client.send(kind, room_id=room, **more[kind])
        await client.ask("history", room_id=room)
        refused = client.of("error")
        return refused[0]["error"]["code"] if refused else None
    reply = await client.ask(kind, room_id=room, **more.get(kind, {}))
    return reply["error"]["code"] if reply["type"] == "error" else None


@pytest.mark.parametrize("who", ROWS)
async def test_what_each_may_do_in_a_room(house: House, who: str) -> None:
    """One after the other on one connection, joining first and leaving last."""
    room = str((await house.room()).id)
    async with connected(house.url, await token_of(house, who)) as client:
        kinds = ["join", *sorted(ROWS[who].keys() - {"join", "leave"}), "leave"]
        found = {kind: await outcome(client, kind, room) for kind in kinds}

    assert ROWS[who] == found


def test_every_request_has_its_row() -> None:
    """A new one fails here until it stands in the table."""
    tags = {request.__struct_config__.tag for request in frames.REQUESTS}

    assert all(tags == set(row) | WITHOUT_A_ROOM for row in ROWS.values())


async def test_what_needs_no_room(house: House) -> None:
    """A stranger stops no answer and is told no more than of one that does not exist; nobody goes on as another."""
    ada, eve = await house.person("ada"), await house.person("eve")
    room = str((await house.room()).id)
    async with connected(house.url, ada.token) as asker, connected(house.url, eve.token) as stranger:
        await asker.ask("join", room_id=room)
        await asker.ask("ask", room_id=room, client_msg_id=str(uuid4()), content="Why?")
        await asker.until(lambda client: [one for one in client.of("publication") if one["kind"] == "answer.started"])
        [begun] = [one for one in asker.of("publication") if one["kind"] == "answer.started"]
        foreign = await stranger.refused("cancel", message_id=begun["data"]["message_id"])
        nothing = await stranger.refused("cancel", message_id=str(uuid4()))
        as_another = await stranger.refused("refresh", token=ada.token)

    assert foreign == nothing
    assert as_another == 101
