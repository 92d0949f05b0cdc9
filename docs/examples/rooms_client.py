"""A client of `rooms.v1` that misses nothing: the reference for clients in other languages.

    async with RoomsClient("wss://example.org/v1/ws", token=fresh_token) as client:
        await client.join(room_id)
        await client.publish(room_id, "update", {"x": 1})
        async for event in client.events():
            ...

What it does, and what every client should do:

- It connects again after a pause that doubles from half a second to half a minute, drawn at random, or after the
  pause that the server names; from close code 4500 on it does not.
- It remembers the number and the epoch of the youngest event of each room, and joins with `since`. What is not
  recovered it pages from `history`.
- It gives every event once and in order, whatever was sent twice.
- It takes answers up where it was: it counts the deltas of each, and joins with `runs`.
- It sends a publish again under the same `client_msg_id` until it is answered.

It needs Python 3.11 and the package `websockets`.
"""

# ruff: noqa: INP001 a file to copy, not a package

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

FIRST_PAUSE = 0.5  # seconds
LONGEST_PAUSE = 30.0
FINAL = 4500  # close codes from here on: do not connect again
UNKNOWN_ROOM = 102
UNRECOVERABLE = 112

Frame = dict[str, Any]


class RoomsError(Exception):
    """The server refused a request, or ended the connection for good."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class RoomsClient:
    """One lasting connection, over as many sockets as it takes. `token` is asked for a fresh one at every connect."""

    def __init__(self, url: str, *, token: Callable[[], Awaitable[str]]) -> None:
        self._url = url
        self._token = token
        self._positions: dict[str, tuple[int, str]] = {}  # room → (seq, epoch)
        self._heads: dict[str, int] = {}  # the youngest event of a room that is known of
        self._runs: dict[str, dict[str, int]] = {}  # room → answer being written → deltas that were seen
        self._wanted: set[str] = set()
        self._events: asyncio.Queue[Frame] = asyncio.Queue()
        self._replies: dict[int, asyncio.Future[Frame]] = {}
        self._number = 0
        self._socket: ClientConnection | None = None
        self._ready = asyncio.Event()
        self._pause = FIRST_PAUSE
        self._named_pause: float | None = None
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._running = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    async def join(self, room_id: str) -> None:
        """Read a room from now on, through every loss of the connection."""
        self._wanted.add(room_id)
        await self._until_ready()
        if room_id not in self._positions:
            await self._join(room_id)

    async def publish(self, room_id: str, kind: str, data: Any) -> int:
        """The number of the event, once it is stored; sent again until that is known."""
        body = {"room_id": room_id, "client_msg_id": str(uuid4()), "kind": kind, "data": data}
        while True:
            await self._until_ready()
            try:
                return int((await self._ask("publish", **body))["seq"])
            except ConnectionError:
                await asyncio.sleep(0.05)

    async def events(self) -> AsyncIterator[Frame]:
        """Everything that the server pushes; events of rooms once each and in order.

        Also what was missed of answers, as `answer_delta`: one with `from` replaces the text after so many deltas.
        """
        while True:
            yield await self._events.get()

    async def _until_ready(self) -> None:
        """Wait for a connection; raises what ended it for good."""
        if self._running is None:
            raise RuntimeError("use the client as a context manager")
        ready = asyncio.ensure_future(self._ready.wait())
        await asyncio.wait({ready, self._running}, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if self._running.done():
            self._running.result()

    async def _run(self) -> None:
        while True:
            code = 0
            try:
                protocols: Any = ["rooms.v1"]
                async with connect(
                    self._url, subprotocols=protocols, compression=None, ping_interval=None, proxy=None
                ) as socket:
                    await self._serve(socket)
            except ConnectionClosed as closed:
                code = closed.rcvd.code if closed.rcvd else 0
            except (OSError, InvalidHandshake, TimeoutError, ConnectionError):
                pass
            self._lost()
            if code >= FINAL:
                raise RoomsError(code, "the server does not want this client to come again")
            await asyncio.sleep(self._next_pause())

    def _next_pause(self) -> float:
        named, self._named_pause = self._named_pause, None
        if named is not None:
            return named
        pause, self._pause = self._pause, min(self._pause * 2, LONGEST_PAUSE)
        return random.uniform(0, pause)  # noqa: S311 full jitter, so that clients do not come all at once

    async def _serve(self, socket: ClientConnection) -> None:
        self._socket = socket
        reading = asyncio.create_task(self._read(socket))
        setting_up = asyncio.create_task(self._set_up())
        try:
            await asyncio.wait({reading, setting_up}, return_when=asyncio.FIRST_COMPLETED)
            if setting_up.done():
                setting_up.result()
            await reading
        finally:
            reading.cancel()
            setting_up.cancel()
            await asyncio.gather(reading, setting_up, return_exceptions=True)

    async def _set_up(self) -> None:
        await self._ask("connect", token=await self._token())
        for room_id in tuple(self._wanted):
            try:
                await self._join(room_id)
            except RoomsError as error:
                if error.code != UNKNOWN_ROOM:
                    raise ConnectionError("a room cannot be joined at the moment") from error
                self._wanted.discard(room_id)
                self._events.put_nowait({"type": "room_left", "room_id": room_id, "code": error.code})
        self._pause = FIRST_PAUSE
        self._ready.set()

    def _lost(self) -> None:
        self._socket = None
        self._ready.clear()
        for waiting in self._replies.values():
            if not waiting.done():
                waiting.set_exception(ConnectionError("the connection was lost"))
        self._replies.clear()

    async def _ask(self, request: str, /, **members: Any) -> Frame:
        if self._socket is None:
            raise ConnectionError("there is no connection")
        self._number += 1
        number = self._number
        waiting = self._replies[number] = asyncio.get_running_loop().create_future()
        try:
            await self._socket.send(json.dumps({"type": request, "id": number, **members}))
        except ConnectionClosed as closed:
            raise ConnectionError("the connection was lost") from closed
        reply = await waiting
        if reply["type"] == "error":
            raise RoomsError(reply["error"]["code"], reply["error"]["message"])
        return reply

    async def _join(self, room_id: str) -> None:
        position = self._positions.get(room_id)
        members: Frame = {} if position is None else {"since": {"seq": position[0], "epoch": position[1]}}
        members["runs"] = self._runs.setdefault(room_id, {})
        joined = await self._ask("join", room_id=room_id, **members)
        self._take_up(room_id, joined["runs"])
        if position is None or position[1] != joined["epoch"]:
            self._positions[room_id] = joined["seq"], joined["epoch"]
        elif joined["recovered"]:
            for event in joined["publications"]:
                self._give(event)
        else:
            await self._page(room_id, until=joined["seq"])

    def _take_up(self, room_id: str, runs: dict[str, Frame]) -> None:
        """What was missed of answers. One that the server does not name any more is over, and its message has it."""
        for message_id, run in runs.items():
            where = {"room_id": room_id, "message_id": message_id, "offset": run["offset"]}
            if run["text"] or run["from"] != self._runs[room_id].get(message_id, 0):
                delta = {"type": "answer_delta", "attempt": run["attempt"], "from": run["from"], "text": run["text"]}
                self._events.put_nowait({**delta, **where})
            for citation in run["citations"]:
                self._events.put_nowait({"type": "answer_citation", "citation": citation, **where})
            if run["status"] != "streaming":
                self._events.put_nowait({"type": "answer_end", "status": run["status"], **where})
        self._runs[room_id] = {key: run["offset"] for key, run in runs.items() if run["status"] == "streaming"}

    async def _page(self, room_id: str, *, until: int) -> None:
        """Read what was missed in pages, those too whose live event came meanwhile and did not fit on yet."""
        while self._positions[room_id][0] < max(until, self._heads.get(room_id, 0)):
            page = await self._ask("history", room_id=room_id, after_seq=self._positions[room_id][0], limit=500)
            if not page["publications"]:
                self._positions[room_id] = until, page["epoch"]  # retention took them
            for event in page["publications"]:
                self._give(event, is_paged=True)

    def _give(self, event: Frame, *, is_paged: bool = False) -> None:
        seq, epoch = self._positions.get(event["room_id"], (event["seq"] - 1, event["epoch"]))
        if event["epoch"] == epoch and (event["seq"] == seq + 1 or (is_paged and event["seq"] > seq)):
            self._positions[event["room_id"]] = event["seq"], epoch
            self._events.put_nowait(event)
        elif event["epoch"] == epoch:
            self._heads[event["room_id"]] = max(event["seq"], self._heads.get(event["room_id"], 0))

    async def _read(self, socket: ClientConnection) -> None:
        async for message in socket:
            for line in str(message).split("\n"):
                await self._take(socket, json.loads(line))
        raise ConnectionClosed(socket.protocol.close_rcvd, socket.protocol.close_sent)

    async def _take(self, socket: ClientConnection, frame: Frame) -> None:
        match frame["type"]:
            case _ if "id" in frame:
                self._answer(frame)
                if frame["type"] == "joined":
                    await asyncio.sleep(0)  # who joins takes the missed events before the next live one is read
            case "ping":
                await socket.send(json.dumps({"type": "pong"}))
            case "publication":
                self._give(frame)
            case "answer_delta" | "answer_end":
                self._follow(frame)
                self._events.put_nowait(frame)
            case "disconnect":
                self._named_pause = frame["reconnect_after_ms"] / 1000 if frame["reconnect"] else None
            case "token_expiring":
                self._later(self._refresh())
            case "room_left" if frame["code"] == UNRECOVERABLE:
                self._later(self._join(frame["room_id"]))
            case "room_left":
                self._wanted.discard(frame["room_id"])
                self._events.put_nowait(frame)
            case _:
                self._events.put_nowait(frame)

    def _answer(self, reply: Frame) -> None:
        waiting = self._replies.pop(reply["id"], None)
        if waiting is not None and not waiting.done():
            waiting.set_result(reply)

    def _follow(self, frame: Frame) -> None:
        """Count the deltas of an answer until its end."""
        runs = self._runs.setdefault(frame["room_id"], {})
        if frame["type"] == "answer_delta":
            runs[frame["message_id"]] = frame["offset"]
        else:
            runs.pop(frame["message_id"], None)

    async def _refresh(self) -> None:
        await self._ask("refresh", token=await self._token())

    def _later(self, work: Any) -> None:
        """Do it beside the reading, which must go on for the reply to come; a failure shows as a closed connection."""
        task = asyncio.ensure_future(work)
        task.add_done_callback(lambda done: None if done.cancelled() else done.exception())
