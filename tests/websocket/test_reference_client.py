"""The client of the documentation does what it says."""

import asyncio
import importlib.util
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from entrypoints.websocket.errors import CloseCode
from tests.fakes.models import Pause, stop, text
from tests.websocket.client import connected
from tests.websocket.conftest import House

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "rooms_client.py"


@pytest.fixture(scope="module")
def example() -> Any:
    spec = importlib.util.spec_from_file_location("rooms_client", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def test_it_comes_back_and_misses_nothing(house: House, example: Any) -> None:
    """Through connections that are cut again and again, every event comes once and in order."""
    ada = await house.person("ada")
    room = str((await house.room()).id)
    seen: list[int] = []

    async def token() -> str:
        return ada.token

    make = example.RoomsClient
    async with make(house.url, token=token) as reader, make(house.url, token=token) as writer:
        await reader.join(room)

        async def read() -> None:
            async for frame in reader.events():
                if frame["type"] == "publication":
                    seen.append(frame["seq"])
                if len(seen) >= 30:
                    return

        reading = asyncio.create_task(read())
        for n in range(30):
            await writer.publish(room, "update", n)
            if n % 10 == 5:
                for connection in tuple(house.live.hub._connections):
                    connection.end(CloseCode.FORCE_RECONNECT, "Come again.", reconnect_after_ms=50)
        async with asyncio.timeout(20):
            await reading

    assert seen == list(range(1, 31))


async def test_it_takes_answers_up(house: House, example: Any) -> None:
    """Cut in the middle of an answer, and with what comes meanwhile: its text is whole, and nothing is twice."""
    ada = await house.person("ada")
    room = await house.room()
    gates = [Pause(), Pause()]
    house.assembly.model.script(text("One. "), [gates[0]], text("Two. "), [gates[1]], text("Three."), [stop()])
    told = ""

    async def token() -> str:
        return ada.token

    async with example.RoomsClient(house.url, token=token) as reader, connected(house.url, ada.token) as other:
        await reader.join(str(room.id))
        await other.ask("join", room_id=str(room.id))
        await other.ask("ask", room_id=str(room.id), client_msg_id=str(uuid4()), content="What is it?")
        async with asyncio.timeout(20):
            async for frame in reader.events():
                if frame["type"] == "answer_end":
                    break
                if frame["type"] != "answer_delta":
                    continue
                told += frame["text"]
                if told == "One. ":
                    for connection in tuple(house.live.hub._connections):
                        if connection.id != other.connection_id:
                            connection.end(CloseCode.FORCE_RECONNECT, "Come again.", reconnect_after_ms=50)
                    gates[0].until.set()
                    await other.until(lambda client: len(client.of("answer_delta")) == 2)
                    gates[1].until.set()

    assert told == "One. Two. Three."
    assert frame["status"] == "complete"


async def test_it_stays_away_when_told(house: House, example: Any) -> None:
    """A token that is not good ends it for good."""

    async def token() -> str:
        return "nonsense"

    async with example.RoomsClient(house.url, token=token) as client:
        with pytest.raises(example.RoomsError):
            await client.join("0f0d8c1e-6b0e-4c7a-9a36-0f6f3f0a9d11")
