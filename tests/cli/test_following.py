"""`ask --server`: an answer is read to its end, whatever the connection does."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from entrypoints.cli.answers import print_answer
from entrypoints.cli.following import FollowedAnswer, ServerFailed

ANSWER = {"id": "a1", "conversation_id": "c1", "content": "One two three."}
EVENTS: list[tuple[str, dict[str, Any]]] = [
    ("message.created", {"message": ANSWER}),
    ("content.delta", {"text": "One "}),
    ("content.delta", {"text": "two "}),
    ("content.delta", {"text": "three."}),
    ("message.completed", {"message": ANSWER}),
]


def wire(number: int) -> bytes:
    name, data = EVENTS[number - 1]
    return f"event: {name}\nid: {number}\ndata: {json.dumps(data)}\n\n".encode()


class Breaking(httpx.AsyncBaseTransport):
    """A server whose connections break, or end, after so many events; then it is well."""

    def __init__(self, *cuts: int, ends: bool = False) -> None:
        self.cuts = list(cuts)
        self.ends = ends
        self.requests: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The events after the one that was seen last."""
        self.requests.append(request)
        if request.url.path.endswith("/cancel"):
            return httpx.Response(202, json={})
        after = int(request.headers.get("last-event-id", 0))
        return httpx.Response(200, stream=self._body(after, self.cuts.pop(0) if self.cuts else None))

    def _body(self, after: int, cut: int | None) -> httpx.AsyncByteStream:
        ends = self.ends

        class Body(httpx.AsyncByteStream):
            async def __aiter__(self) -> AsyncIterator[bytes]:
                for number in range(after + 1, len(EVENTS) + 1):
                    if cut is not None and number > after + cut:
                        if ends:
                            return
                        raise httpx.RemoteProtocolError("cut")
                    yield wire(number)

        return Body()


def following(server: Breaking, *, patience: float = 30.0) -> FollowedAnswer:
    client = httpx.AsyncClient(transport=server, base_url="http://test")
    return FollowedAnswer(client=client, workspace="/w", patience=patience, pause=0.0)


@pytest.mark.parametrize("ends", [False, True])
async def test_a_broken_connection_is_taken_up_where_it_broke(ends: bool) -> None:  # noqa: FBT001 a parameter
    """Each event once; a question whose answer was not seen to begin is sent again, under the same key."""
    server = Breaking(0, 2, 1, ends=ends)

    assert [event async for event in following(server)("c1", "Well?")] == EVENTS
    first, second, third, fourth = server.requests
    assert (first.method, second.method) == ("POST", "POST")
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    assert (third.url.path, third.headers["last-event-id"]) == ("/w/messages/a1/stream", "2")
    assert fourth.headers["last-event-id"] == "3"


async def test_a_server_that_stays_away_is_given_up() -> None:
    """With a line that says so; the answer is left to be written to its end."""
    server = Breaking(1, *[0] * 9)

    with pytest.raises(ServerFailed, match="connection to the server broke"):
        _ = [event async for event in following(server, patience=0.0)("c1", "Well?")]
    assert not [request for request in server.requests if request.url.path.endswith("/cancel")]


async def test_leaving_early_cancels_the_answer() -> None:
    """As Ctrl-C does."""
    server = Breaking()
    events = following(server)("c1", "Well?")
    await anext(events)
    await events.aclose()  # type: ignore[attr-defined]

    assert server.requests[-1].url.path == "/w/messages/a1/cancel"


async def told(*events: tuple[str, dict[str, Any]]) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    for event in events:
        yield event


@pytest.mark.parametrize(
    ("message", "error", "said"),
    [
        ({"stop_reason": "max_tokens"}, None, "used up the tokens"),
        ({"content": ""}, None, "ended without a word"),
        ({"status": "cancelled"}, None, "cancelled here"),
        ({"model": "extractive"}, None, "without a language model"),
        (
            {"status": "failed"},
            {"code": "llm_rate_limited", "message": "Too many.", "retryable": True, "retry_after": 59.2},
            "(llm_rate_limited): Too many. Try again in 60 seconds.",
        ),
    ],
)
async def test_how_an_answer_ended_is_said(
    capsys: pytest.CaptureFixture[str], message: dict[str, Any], error: dict[str, Any] | None, said: str
) -> None:
    """Beside the answer, and with how to go on below it."""
    whole = {"status": "complete", "stop_reason": "end_turn", "model": "m", "content": "One", **ANSWER, **message}
    last = {"message": whole, "error": error} if error else {"message": whole}

    await print_answer(told(EVENTS[0], ("content.delta", {"text": "One"}), ("message.completed", last)))

    printed = capsys.readouterr()
    assert printed.out == "One\n"
    assert said in printed.err
    assert printed.err.rstrip().endswith("to go on: --conversation c1")
