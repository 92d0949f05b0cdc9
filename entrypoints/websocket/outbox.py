"""What waits to be written to one connection: bounded, so that a slow reader harms nobody but itself."""

import asyncio
import json
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from enum import IntEnum
from typing import Any, Final

from attrs import define, field
from starlette.types import Send

MAX_BYTES: Final = 1024 * 1024
MAX_FRAMES: Final = 1000
STALL_SECONDS: Final = 10.0
BATCH_BYTES: Final = 64 * 1024


class Weight(IntEnum):
    """What may happen to a frame when too many wait."""

    SIGNAL = 0  # dropped first
    DELTA = 1  # joined with the next of the same answer
    KEPT = 2


@define
class Waiting:
    """A frame in the queue."""

    body: bytes
    weight: Weight


class _Rest:
    """A coroutine that was begun outside of a task and stopped at a future, as something to await."""

    def __init__(self, coroutine: Coroutine[Any, Any, None], future: Any) -> None:
        self._coroutine = coroutine
        self._future = future

    def __await__(self) -> Generator[Any, None, None]:
        yield self._future
        yield from self._coroutine.__await__()


@define(eq=False)
class Outbox:
    """Writes frames to a socket in order.

    While nothing waits, a frame is written at once, in the step in which it is put; when the socket takes no more, a
    task goes on and the rest waits here. Over the limits signals are dropped, then deltas joined, then `overflowed`
    is called. The same when one write takes longer than ten seconds.
    """

    send: Send
    overflowed: Callable[[], None]
    write: Callable[[bytes], bool] | None = None  # a shorter way than `send`, while the socket takes it at once
    dropped: int = 0
    merged: int = 0
    _queue: deque[Waiting] = field(factory=deque)
    _bytes: int = 0
    _writer: asyncio.Task[None] | None = None
    _is_closed: bool = False

    @property
    def waiting(self) -> int:
        """Bytes that wait."""
        return self._bytes

    @property
    def is_idle(self) -> bool:
        """Whether everything that was put was taken by the socket."""
        return self._writer is None and not self._queue

    def put(self, body: bytes, weight: Weight = Weight.KEPT) -> None:
        """Write a frame, or let it wait. Never waits itself; after `close` nothing happens."""
        if self._is_closed:
            return
        if self._writer is None and not self._queue:
            if self.write is None or not self.write(body):
                self._start(body)
            return
        self._queue.append(Waiting(body, weight))
        self._bytes += len(body)
        if self._is_over() and not self._shed():
            self.overflowed()

    async def flush(self, seconds: float) -> bool:
        """Wait until everything is written; False when it is not in that time."""
        if self._writer is not None:
            await asyncio.wait({self._writer}, timeout=seconds)
        return self.is_idle

    def close(self) -> None:
        """Take nothing more; what waits is forgotten."""
        self._is_closed = True
        self._queue.clear()
        self._bytes = 0
        if self._writer is not None:
            self._writer.cancel()

    def _start(self, body: bytes) -> None:
        rest = self._step(body)
        if rest is not None:
            self._writer = asyncio.get_running_loop().create_task(self._drain(rest))
            self._writer.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._writer = None
        if not task.cancelled():
            task.exception()  # the connection is gone; its reader says so
        while self._queue and self._writer is None:  # put between the last step and this one
            self._start(self._batch())

    def _step(self, body: bytes) -> _Rest | None:
        """Begin to write; None when the socket took it at once, or is gone."""
        sending: Any = self.send({"type": "websocket.send", "text": body.decode()})
        try:
            return _Rest(sending, sending.send(None))
        except StopIteration:
            return None
        except Exception:  # noqa: BLE001 the connection is gone; its reader says so
            self.close()
            return None

    async def _drain(self, rest: _Rest) -> None:
        try:
            async with asyncio.timeout(STALL_SECONDS):
                await rest
            while self._queue:
                async with asyncio.timeout(STALL_SECONDS):
                    await self.send({"type": "websocket.send", "text": self._batch().decode()})
        except TimeoutError:
            self.overflowed()

    def _batch(self) -> bytes:
        """As many of the waiting frames as make one frame of a sensible size, a line each."""
        bodies: list[bytes] = []
        size = 0
        while self._queue and (not bodies or size + len(self._queue[0].body) <= BATCH_BYTES):
            body = self._queue.popleft().body
            bodies.append(body)
            size += len(body)
        self._bytes -= size
        return b"\n".join(bodies)

    def _is_over(self) -> bool:
        return self._bytes > MAX_BYTES or len(self._queue) > MAX_FRAMES

    def _shed(self) -> bool:
        """Make room; whether it is enough."""
        kept = [frame for frame in self._queue if frame.weight is not Weight.SIGNAL]
        self.dropped += len(self._queue) - len(kept)
        self._refill(kept)
        if self._is_over():
            joined = merge_deltas(kept)
            self.merged += len(kept) - len(joined)
            self._refill(joined)
        return not self._is_over()

    def _refill(self, frames: list[Waiting]) -> None:
        self._queue = deque(frames)
        self._bytes = sum(len(frame.body) for frame in frames)


def merge_deltas(frames: list[Waiting]) -> list[Waiting]:
    """Neighbouring deltas of one attempt at an answer as one: their texts joined, the offset of the last."""
    merged: list[Waiting] = []
    open_delta: dict[str, Any] | None = None
    for frame in frames:
        if frame.weight is not Weight.DELTA:
            merged.append(frame)
            open_delta = None
            continue
        delta = json.loads(frame.body)
        if open_delta is not None and all(open_delta[key] == delta[key] for key in ("message_id", "attempt")):
            open_delta = {**delta, "text": open_delta["text"] + delta["text"]}
            merged[-1] = Waiting(_compact(open_delta), Weight.DELTA)
        else:
            open_delta = delta
            merged.append(frame)
    return merged


def _compact(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
