"""A client for tests: every frame it sends and receives is checked against the published document."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from typing import Any
from uuid import uuid4

import jsonschema
import websockets.asyncio.client
from attrs import define, field
from websockets.exceptions import ConnectionClosed

from entrypoints.websocket import asyncapi

PATIENCE = 5.0
Frame = dict[str, Any]


def _validators() -> dict[str, Any]:
    document = asyncapi.document()
    found = {}
    for name, message in document["components"]["messages"].items():
        schema = {**message["payload"], "components": document["components"]}
        found[name] = jsonschema.Draft202012Validator(schema)
    return found


VALIDATORS = _validators()


def check(frame: Frame, direction: str) -> Frame:
    VALIDATORS[f"{frame['type']}.{direction}"].validate(frame)
    return frame


@define(eq=False)
class Client:
    """One connection. Replies are given to who asked; pushes are kept in their order."""

    socket: websockets.asyncio.client.ClientConnection
    pushes: list[Frame] = field(factory=list)
    answers_pings: bool = True
    is_reading: asyncio.Event = field(factory=asyncio.Event)
    close_code: int | None = None
    connection_id: str = ""
    _replies: dict[int, asyncio.Future[Frame]] = field(factory=dict)
    _numbers: Any = field(factory=lambda: count(1))
    _news: asyncio.Event = field(factory=asyncio.Event)
    order: list[Frame] = field(factory=list)

    async def read(self) -> None:
        try:
            while True:
                await self.is_reading.wait()
                for line in str(await self.socket.recv()).split("\n"):
                    await self._take(check(json.loads(line), "frame"))
        except ConnectionClosed:
            self.close_code = self.socket.close_code
            for waiting in self._replies.values():
                waiting.cancel()
            self._news.set()

    async def _take(self, frame: Frame) -> None:
        self.order.append(frame)
        if frame["type"] == "ping" and self.answers_pings:
            await self.send_raw(json.dumps({"type": "pong"}))
        if "id" in frame:
            self._replies.pop(frame["id"]).set_result(frame)
        else:
            self.pushes.append(frame)
        self._news.set()

    async def send_raw(self, text: str) -> None:
        await self.socket.send(text)

    async def send(self, type_: str, /, **members: Any) -> None:
        """A request that is not answered."""
        await self.send_raw(json.dumps(check({"type": type_, **members}, "request")))

    async def ask(self, type_: str, /, **members: Any) -> Frame:
        number = next(self._numbers)
        waiting = self._replies[number] = asyncio.get_running_loop().create_future()
        await self.send_raw(json.dumps({"type": type_, "id": number, **members}))
        async with asyncio.timeout(PATIENCE):
            return await waiting

    async def refused(self, type_: str, /, **members: Any) -> int:
        """The code with which a request is refused."""
        reply = await self.ask(type_, **members)
        assert reply["type"] == "error", reply
        return int(reply["error"]["code"])

    async def publish(self, room_id: str, data: Any = None, **members: Any) -> Frame:
        body = {"client_msg_id": str(uuid4()), "kind": "update", "data": data, **members}
        return await self.ask("publish", room_id=room_id, **body)

    async def until(self, wanted: Callable[["Client"], Any], patience: float = PATIENCE) -> None:
        async with asyncio.timeout(patience):
            while not wanted(self):
                self._news.clear()
                await self._news.wait()

    async def closed(self, patience: float = PATIENCE) -> int:
        """The code with which the server closes."""
        await self.until(lambda client: client.close_code is not None, patience)
        assert self.close_code is not None
        return self.close_code

    def of(self, kind: str) -> list[Frame]:
        return [frame for frame in self.pushes if frame["type"] == kind]

    def seqs(self, room_id: str) -> list[int]:
        return [frame["seq"] for frame in self.of("publication") if frame["room_id"] == room_id]


@asynccontextmanager
async def connection(url: str, **options: Any) -> AsyncIterator[Client]:
    """An open socket; nothing is sent yet."""
    settings = {"subprotocols": ["rooms.v1"], "compression": None, "ping_interval": None, "proxy": None, **options}
    async with websockets.asyncio.client.connect(url, **settings) as socket:
        client = Client(socket)
        client.is_reading.set()
        reading = asyncio.create_task(client.read())
        try:
            yield client
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


@asynccontextmanager
async def connected(url: str, token: str, **options: Any) -> AsyncIterator[Client]:
    """A connection of a person."""
    async with connection(url, **options) as client:
        reply = await client.ask("connect", token=token)
        assert reply["type"] == "connected", reply
        client.connection_id = reply["connection_id"]
        yield client
