"""One client on one socket: from its frames to use cases, and from rooms to its frames."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from random import SystemRandom
from typing import Final
from uuid import uuid4

import msgspec
import structlog
from attrs import define, evolve, field
from msgspec import UNSET
from starlette.types import Receive, Send

from application.errors import ApplicationError
from application.ports.live import LiveEvent, LiveNote, NoteKind
from application.ports.presence import Entry
from application.ports.rooms import Admission
from application.rooms_access import LiveIdentity
from application.use_cases import UseCases
from application.views import time_view
from domain.access import Actor
from domain.errors import DomainError
from domain.ids import ApiKeyId, RoomId, SessionId, UserId
from entrypoints.websocket import frames, requests
from entrypoints.websocket.decoding import BadFrame, decode
from entrypoints.websocket.errors import CloseCode, ErrorBody, ErrorCode, Refused, explain
from entrypoints.websocket.hub import Hub
from entrypoints.websocket.outbox import Outbox, Weight

log = structlog.get_logger(__name__)

CONNECT_SECONDS: Final = 10.0
PING_SECONDS: Final = 25.0
PONG_SECONDS: Final = 10.0
WARN_SECONDS: Final = 60.0
GRACE_SECONDS: Final = 25.0  # after the token has expired
CLOSE_SECONDS: Final = 1.0  # for what was put before to be written
MAX_WAITING: Final = 64  # requests that wait for those before them
MAX_BAD_FRAMES: Final = 10  # in a minute
RATE: Final = 100.0  # requests a second that a connection may go on with
BURST: Final = 200.0

_WEIGHTS: Final = {
    NoteKind.SIGNAL: Weight.SIGNAL,
    NoteKind.PRESENCE: Weight.KEPT,
    NoteKind.DELTA: Weight.DELTA,
    NoteKind.RUN: Weight.KEPT,
    NoteKind.CITATION: Weight.KEPT,
}
_random = SystemRandom()


@define(eq=False)
class Connection:
    """A client's connection.

    `serve` reads frames until the end. Requests are done one after the other, in their order, beside the reading, so
    that a slow one does not hide a `pong`. Frames for the client go through the outbox, which never waits.
    """

    hub: Hub
    use_cases: UseCases
    receive: Receive
    send: Send
    header_token: str | None = None
    abort: Callable[[], None] | None = None
    write: Callable[[bytes], bool] | None = None
    id: str = field(factory=lambda: uuid4().hex)
    who: LiveIdentity | None = None
    rooms: dict[RoomId, Actor] = field(factory=dict)
    visited: dict[RoomId, Actor] = field(factory=dict)
    outbox: Outbox = field(init=False)
    _ending: tuple[CloseCode, str, int] | None = None
    _ended: asyncio.Event = field(factory=asyncio.Event)
    _requests: deque[frames.AnyRequest | LiveNote] = field(factory=deque)
    _worker: asyncio.Task[None] | None = None
    _bad: deque[float] = field(factory=deque)
    _allowance: float = BURST
    _allowed_at: float = 0.0
    _began_at: float = 0.0
    _ping_at: float = 0.0
    _pong_by: float | None = None
    _is_warned: bool = False
    _is_connected: bool = False
    _at_ping: dict[RoomId, int] = field(factory=dict)  # where its rooms stood when it was pinged
    _loop: asyncio.AbstractEventLoop = field(factory=asyncio.get_running_loop)

    def __attrs_post_init__(self) -> None:
        self.outbox = Outbox(self.send, self._overflowed, self.write)
        self._began_at = self._allowed_at = self._loop.time()

    # What the hub asks.

    @property
    def user_id(self) -> UserId | None:
        """Who is connected."""
        return None if self.who is None else self.who.identity.user_id

    @property
    def session_id(self) -> SessionId | None:
        """The login session that vouches for them."""
        return None if self.who is None else self.who.identity.session_id

    @property
    def api_key_id(self) -> ApiKeyId | None:
        """Or the API key that does."""
        return None if self.who is None else self.who.identity.api_key_id

    @property
    def is_ending(self) -> bool:
        """Whether it was said why it ends."""
        return self._ending is not None

    @property
    def places(self) -> list[RoomId]:
        """The rooms that are read."""
        return list(self.rooms)

    def tick(self, now: float) -> None:
        """Deadlines: the first frame, the next ping, its pong, the token's end."""
        if self._ending is not None:
            return
        if self.who is None or not self._is_connected:
            if now > self._began_at + CONNECT_SECONDS:
                self.end(CloseCode.STALE, "Nobody connected in time.")
            return
        if self._pong_by is not None:
            if now > self._pong_by:
                self.end(CloseCode.NO_PONG, "A ping was not answered in time.")
        elif now >= self._ping_at:
            self._pong_by = now + PONG_SECONDS
            self._at_ping = {room_id: self.hub.feeds.position(room_id) for room_id in self.rooms}
            self.push(frames.Ping())
        if self.who.expires_at is not None:
            left = (self.who.expires_at - self.hub.clock.now()).total_seconds()
            if left < -GRACE_SECONDS:
                self.end(CloseCode.EXPIRED, "The token has expired.")
            elif left < WARN_SECONDS and not self._is_warned:
                self._is_warned = True
                self.push(frames.TokenExpiring(in_ms=max(0, int(left * 1000))))

    def admit(self, room_id: RoomId, admission: Admission | None) -> None:
        """Keep the role of this moment, or leave the room that may not be read any more."""
        actor = self.rooms.get(room_id)
        if actor is None:
            return
        if admission is None:
            self.leave(room_id, is_meant=True)
            self.push(frames.RoomLeft(room_id=str(room_id), code=ErrorCode.UNKNOWN_ROOM))
        elif admission.role is not actor.role:
            self.rooms[room_id] = evolve(actor, role=admission.role)

    def end(self, code: CloseCode, reason: str, *, reconnect_after_ms: int = 0) -> None:
        """Say why and close."""
        if self._ending is None:
            if self._is_connected:
                self.push(
                    frames.Disconnect(
                        code=code,
                        reason=reason,
                        reconnect=not code.is_final,
                        reconnect_after_ms=reconnect_after_ms,
                    )
                )
            self._ending = (code, reason, reconnect_after_ms)
            self._ended.set()
            self.hub.observe(f"close_{code.name.lower()}")

    # What rooms tell.

    def tell(self, room_id: RoomId, message: LiveEvent | LiveNote) -> None:  # noqa: ARG002 the frame names its room
        """The next thing in a room."""
        if isinstance(message, LiveNote) and message.kind is NoteKind.CITATION:
            self._enqueue(message)
        elif self._ending is None:
            self.outbox.put(message.body, Weight.KEPT if isinstance(message, LiveEvent) else _WEIGHTS[message.kind])

    def drop(self, room_id: RoomId) -> None:
        """The room's feed ended; the client joins again."""
        self.leave(room_id)
        self.push(frames.RoomLeft(room_id=str(room_id), code=ErrorCode.UNRECOVERABLE_POSITION))

    # The life of the connection.

    async def serve(self) -> None:
        """Read until the client goes or the connection is ended; then everything of it is gone."""
        refusal = self.hub.add(self)
        if refusal is not None:
            await self.send({"type": "websocket.close", "code": int(refusal), "reason": ""})
            return
        reading = asyncio.create_task(self._read())
        ended = asyncio.create_task(self._ended.wait())
        try:
            await asyncio.wait({reading, ended}, return_when=asyncio.FIRST_COMPLETED)
            if self._ending is not None:
                await self._close(*self._ending[:2])
        finally:
            for room_id in list(self.rooms):
                self.leave(room_id)
            self.hub.remove(self)
            self.outbox.close()
            tasks = [task for task in (reading, ended, self._worker) if task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _close(self, code: CloseCode, reason: str) -> None:
        """Close the socket after what was put before; one that takes nothing is cut."""
        is_written = await self.outbox.flush(CLOSE_SECONDS)
        self.outbox.close()
        if is_written:
            with suppress(Exception):  # it may be gone already
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self.send({"type": "websocket.close", "code": int(code), "reason": reason})
                    return
        if self.abort is not None:
            self.abort()

    async def _read(self) -> None:
        if self.header_token is not None:
            try:
                await self._identify(self.header_token)
            except Exception as error:  # noqa: BLE001 the client is told
                self._fail(UNSET, error)
        while True:
            message = await self.receive()
            if message["type"] == "websocket.disconnect":
                return
            if message["type"] == "websocket.receive":
                self._take(message.get("text"))

    def _take(self, text: str | None) -> None:
        """One frame of the client's: several objects, a line each."""
        if text is None:
            self._refuse_frame(BadFrame(ErrorCode.BAD_REQUEST, "Send text frames."))
            return
        for line in text.split("\n"):
            if not line.strip() or self._ending is not None:
                continue
            try:
                request = decode(line)
            except BadFrame as error:
                self._refuse_frame(error)
                continue
            if isinstance(request, frames.Pong):
                self._pong(request)
            elif len(self._requests) >= MAX_WAITING or not self._may_go_on():
                self._error(
                    request.id,
                    Refused(ErrorCode.TOO_MANY_REQUESTS, "Slow down.", temporary=True, retry_after_ms=1000).body,
                )
            else:
                self._enqueue(request)

    def _enqueue(self, request: frames.AnyRequest | LiveNote) -> None:
        self._requests.append(request)
        if self._worker is None:
            self._go_on()

    def _go_on(self) -> None:
        self._worker = asyncio.create_task(self._work())
        self._worker.add_done_callback(self._worked)

    def _worked(self, _task: asyncio.Task[None]) -> None:
        self._worker = None
        if self._requests and self._ending is None:  # one came between the last step and this one
            self._go_on()

    async def _work(self) -> None:
        while self._requests and self._ending is None:
            request = self._requests.popleft()
            if isinstance(request, LiveNote):
                await self._show(request)
                continue
            try:
                await self._answer(request)
            except Exception as error:  # noqa: BLE001 every request is answered
                self._fail(request.id, error)

    async def _show(self, note: LiveNote) -> None:
        try:
            if self.who is not None:
                await requests.show_citation(self, note, self.who)
        except (DomainError, ApplicationError) as error:  # it stands in the message, for who may see it
            log.info("citation_not_shown", reason=error.slug)

    async def _answer(self, request: frames.AnyRequest) -> None:
        if isinstance(request, frames.Connect):
            await self._connect(request)
            return
        if self.who is None or not self._is_connected:
            self._error(request.id, Refused(ErrorCode.UNAUTHORIZED, "Send `connect` first.").body)
            self.end(CloseCode.BAD_REQUEST, "The first frame is `connect`.")
            return
        await requests.HANDLERS[type(request)](self, request, self.who)

    # Requests.

    async def _identify(self, token: str | None, ticket: str | None = None) -> LiveIdentity | None:
        """Prove who it is and count them; None when the connection is ended instead."""
        who = await self.use_cases.identify_live(token=token, ticket=ticket)
        if not self.hub.claim(who.identity.user_id):
            self.end(CloseCode.CONNECTION_LIMIT, "This user has too many connections.")
            return None
        self.who = who
        self._ping_at = self._loop.time() + _random.uniform(0.5, 1.0) * PING_SECONDS
        return who

    async def _connect(self, request: frames.Connect) -> None:
        who = self.who
        if self._is_connected:
            raise Refused(ErrorCode.BAD_REQUEST, "This connection is connected already.")
        if who is None:
            who = await self._identify(request.token or None, request.ticket or None)
        if who is None:
            return
        self._is_connected = True
        self.push(
            frames.Connected(
                id=requests.id_of(request),
                connection_id=self.id,
                user=requests.person(who.sender),
                server_time=str(time_view(self.hub.clock.now())),
                ping_interval_ms=int(PING_SECONDS * 1000),
                pong_timeout_ms=int(PONG_SECONDS * 1000),
                max_frame_bytes=frames.MAX_FRAME_BYTES,
                token_expires_at=time_view(who.expires_at),
            )
        )

    def _pong(self, request: frames.Pong) -> None:
        """It lives; and where it says what it has seen, that is compared with what it was told before the ping."""
        told_until, self._at_ping, self._pong_by = self._at_ping, {}, None
        for room_id, seq in ({} if request.positions is UNSET else request.positions).items():
            if seq < told_until.get(RoomId(room_id), 0):
                self.end(CloseCode.INSUFFICIENT_STATE, "Events were lost on the way; come back with `since`.")
        self._ping_at = self._loop.time() + _random.uniform(0.8, 1.0) * PING_SECONDS

    # Small things.

    def renew(self, who: LiveIdentity) -> None:
        """Go on with another token of the same user."""
        self.who, self._is_warned = who, False

    @property
    def entry(self) -> Entry:
        """What stands for it in a room."""
        if self.who is None:
            raise RuntimeError("nobody is connected")
        return Entry(connection_id=self.id, member=self.who.sender)

    def leave(self, room_id: RoomId, *, is_meant: bool = False) -> None:
        """Read a room no more; `is_meant`: nobody waits for them to come back."""
        self.rooms.pop(room_id, None)
        self.hub.presence.leave(room_id, self.entry, is_meant=is_meant)
        self._at_ping.pop(room_id, None)
        self.hub.feeds.leave(room_id, self)

    def push(self, frame: frames.Frame) -> None:
        """Write a frame, or let it wait; nothing once the connection is ending."""
        if self._ending is None:
            self.outbox.put(frames.encode(frame))

    def _error(self, request_id: "int | msgspec.UnsetType", body: ErrorBody) -> None:
        self.push(frames.ErrorFrame(id=request_id, error=body))

    def _fail(self, request_id: "int | msgspec.UnsetType", error: Exception) -> None:
        body = explain(error)
        self._error(request_id, body)
        if self.who is None and isinstance(error, DomainError):
            is_expired = body.code == ErrorCode.TOKEN_EXPIRED  # with a fresh one they may come again
            self.end(CloseCode.EXPIRED if is_expired else CloseCode.INVALID_TOKEN, "The token is not good.")

    def _refuse_frame(self, error: BadFrame) -> None:
        """Say what is wrong with it; ten in a minute end the connection."""
        self._error(error.request_id, error.body)
        now = self._loop.time()
        self._bad.append(now)
        while self._bad[0] < now - 60:
            self._bad.popleft()
        if len(self._bad) >= MAX_BAD_FRAMES:
            self.end(CloseCode.BAD_REQUEST, "Too many frames could not be read.")

    def _may_go_on(self) -> bool:
        now = self._loop.time()
        self._allowance = min(BURST, self._allowance + (now - self._allowed_at) * RATE)
        self._allowed_at = now
        if self._allowance < 1:
            return False
        self._allowance -= 1
        return True

    def _overflowed(self) -> None:
        self.outbox.close()
        self.end(CloseCode.SLOW, "The connection is too slow.")
