"""Rooms over the socket: joining, publishing, history, signals."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest
from attrs import evolve

from domain.access import Role
from domain.workspaces import Visibility
from tests.fakes.database import ROOMS
from tests.websocket.client import Client, connected
from tests.websocket.conftest import House
from tests.websocket.test_answers import ready


async def test_what_one_says_everybody_hears(house: House) -> None:
    """In one order, the sender too, after the reply or before it."""
    ada, bob = await house.person("ada"), await house.invite("bob")
    room = str((await house.room()).id)
    async with connected(house.url, ada.token) as one, connected(house.url, bob.token) as two:
        joined = await one.ask("join", room_id=room)
        await two.ask("join", room_id=room)
        replies = [await (one if n % 2 else two).publish(room, {"n": n}) for n in range(6)]
        for client in (one, two):
            await client.until(lambda client: len(client.seqs(room)) == 6)

    assert (joined["seq"], joined["recovered"], joined["publications"]) == (0, False, [])
    assert [reply["seq"] for reply in replies] == [1, 2, 3, 4, 5, 6]
    assert one.of("publication") == two.of("publication")
    assert [push["data"]["n"] for push in one.of("publication")] == [0, 1, 2, 3, 4, 5]
    assert {push["sender"]["name"] for push in one.of("publication")} == {"ada", "bob"}


async def test_what_is_sent_over_http_is_heard(house: House) -> None:
    """Both doors lead into one feed."""
    ada, room = await house.person("ada"), await house.room()
    url = f"{house.http_url}/v1/workspaces/{room.workspace_id}/rooms/{room.id}/events"
    async with connected(house.url, ada.token) as client, httpx.AsyncClient(trust_env=False) as http:
        await client.ask("join", room_id=str(room.id))
        body = {"kind": "message", "data": {"text": "héllo\n"}}
        sent = await http.post(url, json=body, headers={"Authorization": f"Bearer {ada.token}"})
        await client.until(lambda client: client.seqs(str(room.id)))

    assert client.of("publication") == [{"type": "publication", **sent.json()}]


async def test_who_comes_back_misses_nothing(house: House) -> None:
    """Missed events are in the reply, live ones follow it, nothing comes twice."""
    ada = await house.person("ada")
    room = str((await house.room()).id)
    async with connected(house.url, ada.token) as writer, connected(house.url, ada.token) as reader:
        begun = await reader.ask("join", room_id=room)
        for n in range(20):
            await writer.publish(room, n)
        writing = asyncio.ensure_future(write(writer, room, 30))
        async with connected(house.url, ada.token) as late:
            joined = await late.ask("join", room_id=room, since={"seq": 5, "epoch": begun["epoch"]})
            await writing
            await late.until(lambda client: 50 in client.seqs(room))

    missed = [event["seq"] for event in joined["publications"]]
    assert joined["recovered"]
    assert [*missed, *late.seqs(room)] == list(range(6, 51))
    assert missed[-1] == joined["seq"]
    assert reader.seqs(room) == list(range(1, 51))[: len(reader.seqs(room))]


async def write(client: Client, room: str, count: int) -> None:
    for n in range(count):
        await client.publish(room, n)


async def test_what_cannot_be_recovered_is_paged(house: House) -> None:
    """Another epoch: not recovered, and history tells all."""
    ada, room = await house.person("ada"), await house.room()
    async with connected(house.url, ada.token) as client:
        for n in range(7):
            await client.publish(str(room.id), n)
        joined = await client.ask("join", room_id=str(room.id), since={"seq": 3, "epoch": str(uuid4())})
        await client.ask("leave", room_id=str(room.id))
        nonsense = await client.ask("join", room_id=str(room.id), since={"seq": 3, "epoch": "of another server"})
        first = await client.ask("history", room_id=str(room.id), after_seq=3, limit=2)
        rest = await client.ask("history", room_id=str(room.id), after_seq=5, limit=1000)
        before = await client.ask("history", room_id=str(room.id), before_seq=4, limit=2)
        latest = await client.ask("history", room_id=str(room.id), limit=1)

    assert (joined["recovered"], joined["seq"], joined["epoch"]) == (False, 7, str(room.epoch))
    assert (nonsense["recovered"], nonsense["seq"]) == (False, 7)
    assert [[event["seq"] for event in page["publications"]] for page in (first, rest, before, latest)] == [
        [4, 5],
        [6, 7],
        [2, 3],
        [7],
    ]
    assert (first["seq"], first["epoch"]) == (7, str(room.epoch))


async def test_the_same_message_again(house: House) -> None:
    """Gives the same number, on any connection; with another body it is refused."""
    ada = await house.person("ada")
    room = str((await house.room()).id)
    again: dict[str, Any] = {"client_msg_id": str(uuid4()), "data": {"x": 1}}
    async with connected(house.url, ada.token) as one, connected(house.url, ada.token) as two:
        first = await one.publish(room, **again)
        second = await two.publish(room, **again)
        other = await two.publish(room, client_msg_id=again["client_msg_id"], data={"x": 2})

    assert (first["seq"], first["duplicate"]) == (1, False)
    assert (second["seq"], second["duplicate"]) == (1, True)
    assert other["error"]["code"] == 201


async def test_signals_are_told_and_not_kept(house: House) -> None:
    """To those who are there now."""
    ada = await house.person("ada")
    room = str((await house.room()).id)
    async with connected(house.url, ada.token) as one, connected(house.url, ada.token) as two:
        await one.ask("join", room_id=room)
        await two.ask("join", room_id=room)
        await one.send("signal", room_id=room, name="typing", data={"on": True})
        await two.until(lambda client: client.of("signal"))
        history = await one.ask("history", room_id=room)

    [signal] = two.of("signal")
    assert (signal["name"], signal["data"], signal["sender"]["name"]) == ("typing", {"on": True}, "ada")
    assert history["publications"] == []


async def test_progress_of_documents_is_a_signal(house: House) -> None:
    """In the rooms that may know of the document, while it is read; its end is an event."""
    ada, room = await house.person("ada"), str((await house.room()).id)
    async with connected(house.url, ada.token) as client:
        await client.ask("join", room_id=room)
        await ready(house, Visibility.RESTRICTED)
        await ready(house)
        await client.until(lambda client: client.of("publication"))

    [signal] = client.of("signal")
    [event] = client.of("publication")
    assert (signal["name"], signal["sender"]) == ("document.progress", {"id": None, "name": "Reading Room"})
    assert signal["data"] == {
        "document_id": event["data"]["document_id"],
        "title": "notes.txt",
        "status": "processing",
        "stage": "parsing",
        "progress": 0.0,
    }


async def test_history_says_what_retention_took(house: House) -> None:
    """A page from which something is missing is not whole, and who comes back from before is not recovered."""
    ada, room = await house.person("ada"), await house.room()
    room_id = str(room.id)
    async with connected(house.url, ada.token) as client:
        for n in range(5):
            await client.publish(room_id, n)
        async with house.assembly.begin(None) as work:
            await work.rooms.forget_events(house.use_cases.ask_in_room.clock.now(), limit=3)
            await work.commit()
        house.assembly.live.engine.flush()  # the hot copy lives for a day
        asked: list[dict[str, Any]] = [
            {"after_seq": 0},
            {"after_seq": 2},
            {"after_seq": 3},
            {"after_seq": 5},
            {"before_seq": 6, "limit": 2},
            {"before_seq": 6, "limit": 3},
            {"before_seq": 1},
            {},
        ]
        pages = [await client.ask("history", room_id=room_id, **members) for members in asked]
        old = await client.ask("join", room_id=room_id, since={"seq": 2, "epoch": str(room.epoch)})
        await client.ask("leave", room_id=room_id)
        young = await client.ask("join", room_id=room_id, since={"seq": 3, "epoch": str(room.epoch)})

    assert [page["is_whole"] for page in pages] == [False, False, True, True, True, False, True, False]
    assert (old["recovered"], young["recovered"], young["seq"]) == (False, True, 5)
    assert [event["seq"] for event in young["publications"]] == [4, 5]


async def test_leaving(house: House) -> None:
    """Nothing is heard any more, and one may join again."""
    ada = await house.person("ada")
    room = str((await house.room()).id)
    async with connected(house.url, ada.token) as client:
        await client.ask("join", room_id=room)
        assert (await client.ask("leave", room_id=room))["type"] == "left"
        assert await client.refused("leave", room_id=room) == 102
        await client.publish(room, 1)
        joined = await client.ask("join", room_id=room)

    assert joined["seq"] == 1
    assert client.seqs(room) == []


async def test_what_is_refused(house: House) -> None:
    """Every error of rooms by its code; the connection goes on."""
    ada, eve = await house.person("ada"), await house.person("eve")
    viewer = await house.invite("vic", Role.VIEWER)
    room = str((await house.room()).id)
    closed = str((await house.room(Visibility.RESTRICTED)).id)
    async with connected(house.url, ada.token) as client:
        await client.ask("join", room_id=room)
        assert await client.refused("join", room_id=room) == 105
        assert await client.refused("join", room_id=str(uuid4())) == 102
        big = await client.publish(room, "x" * 65_535)
        assert big["error"]["code"] == 202
        assert (await client.publish(room, 1, kind="document.ready"))["error"]["code"] == 103
        assert (await client.publish(room, 1, kind="nothing"))["error"]["code"] == 107
        assert (await client.publish(room, "\0"))["error"]["code"] == 107
        assert await client.refused("history", room_id=room, limit=0) == 107
        assert await client.refused("history", room_id=room, after_seq=1, before_seq=2) == 107
        assert await client.refused("signal", room_id=room, name="") == 107
        assert await client.refused("signal", room_id=room, name="a", data="x" * 5000) == 202
        assert await client.refused("signal", room_id=closed, name="a") == 102
    async with connected(house.url, eve.token) as outsider, connected(house.url, viewer.token) as reader:
        for kind in ("join", "history"):
            assert await outsider.refused(kind, room_id=room) == 102
            assert await reader.refused(kind, room_id=closed) == 102
        assert (await outsider.publish(room, 1))["error"]["code"] == 102
        assert (await reader.publish(room, 1))["error"]["code"] == 103


@pytest.mark.parametrize("engine", ["database", "bus"])
async def test_an_engine_that_is_away(house: House, engine: str) -> None:
    """The request is refused for now, and works when the engine is back."""
    ada = await house.person("ada")
    room = str((await house.room()).id)
    async with connected(house.url, ada.token) as client:
        house.assembly.begin.database.available = engine != "database"
        house.assembly.live.engine.down = engine == "bus"
        refused = await client.ask("join", room_id=room)
        house.assembly.begin.database.available = True
        house.assembly.live.engine.down = False
        joined = await client.ask("join", room_id=room)

    assert (refused["error"]["code"], refused["error"]["temporary"]) == (108, True)
    assert refused["error"]["retry_after_ms"] > 0
    assert joined["type"] == "joined"


async def test_another_epoch_lets_readers_go(house: House) -> None:
    """They are told to join again, and do."""
    ada, room = await house.person("ada"), await house.room()
    async with connected(house.url, ada.token) as client:
        await client.ask("join", room_id=str(room.id))
        table = house.assembly.begin.database.table(ROOMS)
        table[room.id] = evolve(table[room.id], epoch=uuid4())
        await house.live.hub.feeds.check_positions()
        await client.until(lambda client: client.of("room_left"))
        joined = await client.ask("join", room_id=str(room.id))

    assert client.of("room_left") == [{"type": "room_left", "room_id": str(room.id), "code": 112}]
    assert joined["epoch"] != str(room.epoch)


async def test_the_document_is_served(house: House) -> None:
    """AsyncAPI 3, with a schema for every frame."""
    async with httpx.AsyncClient(trust_env=False) as http:
        document = (await http.get(f"{house.http_url}/v1/asyncapi.json")).json()

    assert document["asyncapi"] == "3.0.0"
    assert "join.request" in document["channels"]["rooms"]["messages"]


async def test_the_numbers_are_served(house: House) -> None:
    """Connections, rooms and what the feeds went through."""
    ada = await house.person("ada")
    room = str((await house.room()).id)
    async with connected(house.url, ada.token) as client, httpx.AsyncClient(trust_env=False) as http:
        await client.ask("join", room_id=room)
        numbers = (await http.get(f"{house.http_url}/metrics")).text

    assert "readingroom_live_connections 1.0" in numbers
    assert "readingroom_live_readers 1.0" in numbers
    assert 'readingroom_live_events_total{event="hole"} 0.0' in numbers
    [tasks] = [line for line in numbers.splitlines() if line.startswith("readingroom_asyncio_tasks ")]
    assert float(tasks.partition(" ")[2]) > 1


async def test_who_is_there(house: House) -> None:
    """In the reply to joining, told to those who are there, once for two tabs, and until one leaves."""
    ada, bob = await house.person("ada"), await house.invite("bob")
    room = str((await house.room()).id)
    async with connected(house.url, ada.token) as one, connected(house.url, bob.token) as two:
        first = await one.ask("join", room_id=room)
        second = await two.ask("join", room_id=room)
        async with connected(house.url, bob.token) as tab:
            await tab.ask("join", room_id=room)
            await tab.ask("leave", room_id=room)
        await two.ask("leave", room_id=room)
        await one.until(lambda client: len(client.of("presence_diff")) == 2)
        after = await one.ask("presence", room_id=room)
        assert await two.refused("presence", room_id=room) == 102

    joined, left = one.of("presence_diff")
    assert [member["name"] for member in first["presence"]["members"]] == ["ada"]
    assert {member["name"] for member in second["presence"]["members"]} == {"ada", "bob"}
    assert [member["name"] for member in joined["joins"]] == [member["name"] for member in left["leaves"]] == ["bob"]
    assert [member["name"] for member in after["members"]] == ["ada"]
    versions = [first["presence"]["version"], joined["version"], left["version"], after["version"]]
    assert versions == [versions[0], versions[0] + 1, versions[0] + 2, versions[0] + 2]


async def test_a_lost_connection_has_a_grace(house: House) -> None:
    """Who comes back in time was never gone."""
    ada, bob = await house.person("ada"), await house.invite("bob")
    room = str((await house.room()).id)
    async with connected(house.url, ada.token) as one:
        await one.ask("join", room_id=room)
        for _ in range(2):
            async with connected(house.url, bob.token) as two:
                await two.ask("join", room_id=room)
        state = await one.ask("presence", room_id=room)

    assert len(one.of("presence_diff")) == 1
    assert len(state["members"]) == 2
