"""What a client on a socket does: waits, goes away, sends in pieces of any size."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.requests import ClientDisconnect, Request

from domain.errors import InvalidInput
from entrypoints.http.sse import EventStream, ServerEvent, wants_events
from entrypoints.http.uploads import Upload

SCOPE: dict[str, Any] = {"type": "http", "method": "POST", "headers": []}


async def test_silence_is_filled_with_comments() -> None:
    enough = asyncio.Event()
    sent: list[bytes] = []

    async def slow() -> AsyncIterator[ServerEvent]:
        await enough.wait()
        yield ServerEvent(id=1, name="late", data={"a": "ä"})

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Any) -> None:
        sent.append(message.get("body", b""))
        if sent.count(b": keep-alive\n\n") == 2:
            enough.set()

    await asyncio.wait_for(EventStream(slow(), keep_alive=0.01)(SCOPE, receive, send), 5)

    assert sent[-2:] == ['event: late\nid: 1\ndata: {"a":"ä"}\n\n'.encode(), b""]


async def test_a_reader_who_goes_away_ends_the_reading() -> None:
    closed = False

    async def endless() -> AsyncIterator[ServerEvent]:
        nonlocal closed
        try:
            yield ServerEvent(id=1, name="first", data={})
            await asyncio.Event().wait()
        finally:
            closed = True

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(_: Any) -> None: ...

    await asyncio.wait_for(EventStream(endless())(SCOPE, receive, send), 5)

    assert closed


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, False),
        ("*/*", False),
        ("application/json", False),
        ("text/event-stream", True),
        ("application/json, Text/Event-Stream;q=0.9", True),
    ],
)
def test_who_wants_the_stream(accept: str | None, *, expected: bool) -> None:
    assert wants_events(accept) is expected


BODY = (
    b'--B\r\nContent-Disposition: form-data; name="title"\r\n\r\nT\r\n'
    b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
    b"one\r\n--Btwo\r\n-\r\n"
    b'\r\n--B\r\nContent-Disposition: form-data; name="tags"\r\n\r\nx\r\n--B--\r\n'
)


def request(pieces: list[bytes], *, whole: bool = True) -> Request:
    left = list(pieces)

    async def receive() -> dict[str, Any]:
        if left:
            return {"type": "http.request", "body": left.pop(0), "more_body": bool(left) or not whole}
        return {"type": "http.disconnect"}

    headers = [(b"content-type", b"multipart/form-data; boundary=B")]
    return Request({"type": "http", "method": "POST", "headers": headers}, receive)


@pytest.mark.parametrize("size", [1, 2, 7, 64, 1000])
async def test_a_form_may_come_in_pieces_of_any_size(size: int) -> None:
    upload = Upload(request([BODY[start : start + size] for start in range(0, len(BODY), size)]))
    await upload.begin()

    content = b"".join([piece async for piece in upload.content()])

    assert content == b"one\r\n--Btwo\r\n-\r\n"
    assert (upload.filename, upload.one("title"), upload.fields["tags"]) == ("a.txt", "T", ["x"])


@pytest.mark.parametrize("at", [1, 60, 150, len(BODY) - 30, len(BODY) - 5])
async def test_a_form_that_breaks_off_is_refused(at: int) -> None:
    """Wherever the body ends, nobody takes the first half of a file for the whole."""
    upload = Upload(request([BODY[:at]]))

    with pytest.raises(InvalidInput):
        await _read(upload)


async def test_a_client_that_goes_away_is_noticed() -> None:
    upload = Upload(request([BODY[:150]], whole=False))

    with pytest.raises(ClientDisconnect):
        await _read(upload)


async def _read(upload: Upload) -> None:
    await upload.begin()
    async for _ in upload.content():
        pass
