"""Claude in a room."""

import io
from uuid import UUID, uuid4

import httpx
import pytest

from application.ports.models import BlockStarted, TextPart
from domain.ids import CollectionId
from domain.workspaces import Visibility
from tests.fakes.database import READERS, Reader
from tests.fakes.models import Pause, stop
from tests.websocket.client import Client, connected
from tests.websocket.conftest import House, Person

TEXT = b"The notice period is three months. It begins with the month that follows."


async def ready(house: House, visibility: Visibility = Visibility.WORKSPACE) -> str:
    """A document of Ada's workspace that may be found; the id of its collection."""
    actor = await house.actor()
    made = await house.use_cases.create_collection(actor, name=f"Papers {uuid4()}", visibility=visibility)
    async with httpx.AsyncClient(trust_env=False) as http:
        url = f"{house.http_url}/v1/workspaces/{actor.workspace_id}/documents"
        response = await http.post(
            url,
            files={"file": ("notes.txt", io.BytesIO(TEXT))},
            data={"collection_id": str(made.collection.id)},
            headers=await bearer(house),
        )
    response.raise_for_status()
    await house.assembly.worker().drain()
    return str(made.collection.id)


async def bearer(house: House, person: Person | None = None) -> dict[str, str]:
    return {"Authorization": f"Bearer {(person or await house.person('ada')).token}"}


def ended(client: Client) -> bool:
    return bool(client.of("answer_end"))


async def test_everybody_follows_the_answer(house: House) -> None:
    """The question and the answer are events in order; the deltas, joined, are the answer to the letter."""
    ada, bob = await house.person("ada"), await house.invite("bob")
    await ready(house)
    room = await house.room()
    async with connected(house.url, ada.token) as one, connected(house.url, bob.token) as two:
        for client in (one, two):
            await client.ask("join", room_id=str(room.id))
        body = {"room_id": str(room.id), "client_msg_id": str(uuid4()), "content": "What is the notice period?"}
        asked = await one.ask("ask", **body)
        for client in (one, two):
            await client.until(ended)
            await client.until(lambda client: client.of("answer_citation"))
        again = await one.ask("ask", **body)
    message_id = two.of("answer_end")[0]["message_id"]
    async with httpx.AsyncClient(trust_env=False) as http:
        url = f"{house.http_url}/v1/workspaces/{room.workspace_id}/messages/{message_id}"
        message = (await http.get(url, headers=await bearer(house, bob))).raise_for_status().json()

    assert (asked["type"], asked["seq"], again["seq"], again["duplicate"]) == ("published", 1, 1, True)
    assert [push["kind"] for push in two.of("publication")] == ["message", "answer.started", "answer.completed"]
    assert two.of("publication")[1]["sender"] == {"id": None, "name": "Claude"}
    assert two.of("publication")[2]["data"]["status"] == message["status"] == "complete"
    for client in (one, two):
        deltas = client.of("answer_delta")
        assert "".join(delta["text"] for delta in deltas) == message["content"]
        assert [delta["offset"] for delta in deltas] == list(range(1, client.of("answer_end")[0]["offset"] + 1))
        assert [push["citation"] for push in client.of("answer_citation")] == message["citations"]


async def test_what_may_not_be_read_is_not_cited(house: House) -> None:
    """Other members see the answer without the quotes of documents that they may not read."""
    ada, bob, eve = await house.person("ada"), await house.invite("bob"), await house.invite("eve")
    collection = await ready(house, Visibility.RESTRICTED)
    room = await house.room()
    async with (
        connected(house.url, ada.token) as one,
        connected(house.url, bob.token) as two,
        connected(house.url, eve.token) as three,
    ):
        for client in (one, two, three):
            await client.ask("join", room_id=str(room.id))
        listed = Reader(room.workspace_id, CollectionId(UUID(collection)), eve.user_id)
        house.assembly.begin.database.table(READERS)[listed.collection_id, eve.user_id] = listed
        await house.assembly.changes.announce(eve.user_id)
        body = {"room_id": str(room.id), "client_msg_id": str(uuid4()), "content": "What is the notice period?"}
        await one.ask("ask", **body)
        for client in (one, three):
            await client.until(lambda client: client.of("answer_citation"))
        await two.until(ended)
        await two.ask("presence", room_id=str(room.id))

    assert two.of("answer_citation") == []
    assert two.of("answer_delta") == one.of("answer_delta")


async def test_who_comes_back_takes_the_answer_up(house: House) -> None:
    """By the number of deltas that were seen; who names nothing is told the whole text so far, without quotes of
    documents that they may not read.
    """
    ada, bob = await house.person("ada"), await house.invite("bob")
    await ready(house, Visibility.RESTRICTED)
    room = str((await house.room()).id)
    gate = Pause()
    async with connected(house.url, ada.token) as one, connected(house.url, bob.token) as two:
        await one.ask("join", room_id=room)
        await one.ask("ask", room_id=room, client_msg_id=str(uuid4()), content="What is the notice period?")
        await one.until(ended)
        [end] = one.of("answer_end")
        house.assembly.model.script(BlockStarted(), TextPart(text="One. "), gate, TextPart(text="Two."), stop())
        await one.ask("ask", room_id=room, client_msg_id=str(uuid4()), content="And now?")
        await one.until(lambda client: client.of("answer_delta")[-1]["text"] == "One. ")
        running = one.of("answer_delta")[-1]["message_id"]
        others = await two.ask("join", room_id=room, runs={end["message_id"]: 0, str(uuid4()): 3})
        await one.ask("leave", room_id=room)
        own = await one.ask("join", room_id=room, runs={end["message_id"]: 1, running: 1})
        gate.until.set()
        await two.until(ended)
        too_many = await two.refused("join", room_id=str(uuid4()), runs={str(uuid4()): 0 for _ in range(9)})

    deltas = [push["text"] for push in one.of("answer_delta") if push["message_id"] == end["message_id"]]
    assert others["runs"].keys() == own["runs"].keys() == {end["message_id"], running}
    whole, rest = (reply["runs"][end["message_id"]] for reply in (others, own))
    assert (whole["from"], whole["offset"], whole["text"]) == (0, end["offset"], "".join(deltas))
    assert (rest["from"], rest["text"], rest["status"]) == (1, "".join(deltas[1:]), "complete")
    assert whole["citations"] == []
    assert rest["citations"] == [push["citation"] for push in one.of("answer_citation")] != []
    begun = others["runs"][running]
    assert (begun["from"], begun["offset"], begun["text"], begun["status"]) == (0, 1, "One. ", "streaming")
    assert own["runs"][running] == {**begun, "from": 1, "text": ""}
    assert [push["text"] for push in two.of("answer_delta")] == ["Two."]
    assert two.of("answer_delta")[0]["offset"] == two.of("answer_end")[0]["offset"] == 2
    assert too_many == 106


async def test_stopping_an_answer(house: House) -> None:
    """Anybody in the room may; what it has is kept, and a second answer waits for the first."""
    ada, bob, eve = await house.person("ada"), await house.invite("bob"), await house.person("eve")
    room = await house.room()
    house.assembly.model.script(BlockStarted(), TextPart(text="So far"), Pause())
    async with (
        connected(house.url, ada.token) as one,
        connected(house.url, bob.token) as two,
        connected(house.url, eve.token) as outsider,
    ):
        await two.ask("join", room_id=str(room.id))
        body = {"room_id": str(room.id), "content": "Hello?"}
        await one.ask("ask", client_msg_id=str(uuid4()), **body)
        await two.until(lambda client: client.of("answer_delta"))
        busy = await one.ask("ask", client_msg_id=str(uuid4()), **body)
        message_id = two.of("answer_delta")[0]["message_id"]
        assert await outsider.refused("cancel", message_id=message_id) == 204
        stopped = await two.ask("cancel", message_id=message_id)
        await two.until(ended)
        assert await two.refused("cancel", message_id=message_id) == 204
        assert await two.refused("cancel", message_id=str(uuid4())) == 204

    assert busy["error"]["code"] == 111
    assert busy["error"]["temporary"] is True
    assert stopped["type"] == "ok"
    assert two.of("answer_end")[0]["status"] == "cancelled"
    assert two.of("publication")[-1]["kind"] == "answer.completed"


@pytest.mark.parametrize("content", ["", " ", "\0"])
async def test_what_is_no_question(house: House, content: str) -> None:
    """It is refused, and nothing is told."""
    ada, room = await house.person("ada"), await house.room()
    async with connected(house.url, ada.token) as client:
        refused = await client.refused("ask", room_id=str(room.id), client_msg_id=str(uuid4()), content=content)
        history = await client.ask("history", room_id=str(room.id))

    assert (refused, history["publications"]) == (107, [])


async def test_a_rooms_conversation_is_the_rooms(house: House) -> None:
    """Those who see the room read it over HTTP, nobody else; only who asked first may delete it."""
    ada, bob, eve = await house.person("ada"), await house.invite("bob"), await house.invite("eve")
    room = await house.room(Visibility.RESTRICTED)
    await house.use_cases.list_room_member(await house.actor(), room_id=room.id, user_id=bob.user_id)
    async with connected(house.url, ada.token) as client:
        await client.ask("join", room_id=str(room.id))
        await client.ask("ask", room_id=str(room.id), client_msg_id=str(uuid4()), content="Hello?")
        await client.until(ended)
    url = f"{house.http_url}/v1/workspaces/{room.workspace_id}/conversations/{room.id}"
    async with httpx.AsyncClient(trust_env=False) as http:
        seen = [(await http.get(url, headers=await bearer(house, who))).status_code for who in (ada, bob, eve)]
        refused = await http.delete(url, headers=await bearer(house, bob))

    assert seen == [200, 200, 404]
    assert refused.status_code == 403
