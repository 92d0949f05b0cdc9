"""The queue of one connection."""

import asyncio
import json
from typing import Any

import pytest
from attrs import define, field
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from entrypoints.websocket import outbox as outboxes
from entrypoints.websocket.outbox import MAX_BYTES, MAX_FRAMES, Outbox, Weight
from entrypoints.websocket.protocol import framed


@define(eq=False)
class Socket:
    """Takes frames while it is open."""

    taken: list[str] = field(factory=list)
    overflows: int = 0
    gate: asyncio.Event = field(factory=asyncio.Event)

    async def send(self, message: Any) -> None:
        await self.gate.wait()
        self.taken.append(message["text"])

    def overflowed(self) -> None:
        self.overflows += 1


@pytest.fixture
def socket() -> Socket:
    return Socket()


@pytest.fixture
def outbox(socket: Socket) -> Outbox:
    return Outbox(socket.send, socket.overflowed)


def delta(message: str, offset: int, text: str, attempt: int = 1) -> bytes:
    return json.dumps({"message_id": message, "attempt": attempt, "offset": offset, "text": text}).encode()


async def test_an_open_socket_takes_at_once(socket: Socket, outbox: Outbox) -> None:
    """In the very step, without a task."""
    socket.gate.set()
    outbox.put(b"1")
    outbox.put("é".encode())

    assert socket.taken == ["1", "é"]
    assert outbox.is_idle


async def test_what_waits_is_written_in_order(socket: Socket, outbox: Outbox) -> None:
    """Nothing overtakes, and waiting frames share one frame."""
    for n in range(5):
        outbox.put(b"%d" % n)
    waiting = outbox.waiting
    socket.gate.set()
    await outbox.flush(5)
    outbox.put(b"5")

    assert waiting == 4
    assert socket.taken == ["0", "1\n2\n3\n4", "5"]


async def test_signals_are_dropped_first(socket: Socket, outbox: Outbox) -> None:
    """All others stay, in their order."""
    outbox.put(b"begun")
    for n in range(MAX_FRAMES):
        outbox.put(b"s", Weight.SIGNAL) if n % 2 else outbox.put(b"%d" % n)
    outbox.put(b"last")
    socket.gate.set()
    await outbox.flush(5)

    assert socket.overflows == 0
    assert outbox.dropped == MAX_FRAMES // 2
    assert "\n".join(socket.taken).split("\n") == ["begun", *(str(n) for n in range(0, MAX_FRAMES, 2)), "last"]


async def test_deltas_are_joined(socket: Socket, outbox: Outbox) -> None:
    """Neighbours of one answer become one; their text is the same, the offset is the last."""
    outbox.put(b'"begun"')
    expected: dict[str, str] = {"a": "", "b": ""}
    for n in range(1, MAX_FRAMES + 50):
        message = "a" if n < 700 else "b"
        outbox.put(delta(message, n, f"<{n}>"), Weight.DELTA)
        expected[message] += f"<{n}>"
    socket.gate.set()
    await outbox.flush(5)
    told = [json.loads(line) for frame in socket.taken for line in frame.split("\n")][1:]

    assert socket.overflows == 0
    assert outbox.merged > 0
    texts = {name: "".join(one["text"] for one in told if one["message_id"] == name) for name in "ab"}
    assert texts == expected
    assert [one["offset"] for one in told] == sorted(one["offset"] for one in told)
    assert told[-1]["offset"] == MAX_FRAMES + 49


async def test_attempts_are_not_joined(socket: Socket, outbox: Outbox) -> None:
    """A new attempt begins the answer anew."""
    frames = [outboxes.Waiting(delta("a", 1, "x", attempt), Weight.DELTA) for attempt in (1, 1, 2)]

    merged = [json.loads(frame.body) for frame in outboxes.merge_deltas(frames)]

    assert [(one["attempt"], one["text"]) for one in merged] == [(1, "xx"), (2, "x")]


@pytest.mark.parametrize("body", [b"x", b"x" * 70_000])
async def test_what_is_too_much(socket: Socket, outbox: Outbox, body: bytes) -> None:
    """More than a thousand frames or a mebibyte of what may not be lost is an overflow."""
    most = min(MAX_FRAMES, MAX_BYTES // len(body))
    for _ in range(most + 1):
        outbox.put(body)
    before = socket.overflows
    outbox.put(body)
    outbox.close()

    assert (before, socket.overflows) == (0, 1)


async def test_a_write_that_stalls(socket: Socket, outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Longer than the limit is an overflow, however little waits."""
    monkeypatch.setattr(outboxes, "STALL_SECONDS", 0.05)
    outbox.put(b"1")
    await outbox.flush(5)

    assert socket.overflows == 1


async def test_after_the_end_nothing_is_written(socket: Socket, outbox: Outbox) -> None:
    """What waited is forgotten, and what is put later is not taken."""
    outbox.put(b"1")
    outbox.put(b"2")
    outbox.close()
    socket.gate.set()
    outbox.put(b"3")
    await asyncio.sleep(0)

    assert socket.taken == []
    assert outbox.waiting == 0


async def test_the_short_way_is_taken_while_it_is_free(socket: Socket) -> None:
    """What it does not take goes the long way, and nothing overtakes that."""
    taken: list[str] = []
    is_free = True

    def write(body: bytes) -> bool:
        if is_free:
            taken.append(body.decode())
        return is_free

    outbox = Outbox(socket.send, socket.overflowed, write)
    outbox.put(b"1")
    is_free = False
    outbox.put(b"2")
    is_free = True
    outbox.put(b"3")
    before = list(taken)
    socket.gate.set()
    await outbox.flush(5)
    outbox.put(b"4")

    assert (before, socket.taken, taken) == (["1"], ["2", "3"], ["1", "4"])


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536, 300_000])
def test_frames_of_every_length(size: int) -> None:
    """A client's library reads what was framed here."""
    text = b"x" * size
    protocol = ClientProtocol(parse_uri("ws://127.0.0.1/"), state=State.OPEN)
    protocol.receive_data(framed(text))

    [event] = protocol.events_received()
    assert isinstance(event, Frame)
    assert (event.opcode, event.fin, event.data) == (Opcode.TEXT, True, text)
