"""Every way in which a provider can fail, as seen through the port."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from adapters.claude.model import ClaudeModel
from application.errors import ModelFailed, ModelUnavailable
from application.ports.models import ModelPart, ModelRequest, TextPart
from tests.claude_emulator.scenarios import Fault, Scenario, breaks, refuses, says
from tests.claude_emulator.server import REFUSED_KEY, ClaudeEmulator

QUESTION = ModelRequest(question="How are you?")
SONNET = "claude-sonnet-5-5"

Open = Callable[..., ClaudeModel]
# longer than any test waits, shorter than a default
READ_TIMEOUT = 0.3


@pytest_asyncio.fixture
async def open_model(claude_emulator: ClaudeEmulator, claude_key: str) -> AsyncIterator[Open]:
    """Makes models whose time limits suit a test."""
    opened: list[ClaudeModel] = []

    def make(**settings: object) -> ClaudeModel:
        chosen: dict[str, object] = {
            "api_key": claude_key,
            "model": SONNET,
            "base_url": claude_emulator.url,
            "read_timeout": READ_TIMEOUT,
            "start_timeout": 5.0,
            "first_pause": 0.01,
        }
        model = ClaudeModel(**(chosen | settings))  # type: ignore[arg-type]
        opened.append(model)
        return model

    yield make
    for model in opened:
        await model.close()


async def answer(model: ClaudeModel, seen: list[ModelPart] | None = None) -> list[ModelPart]:
    parts: list[ModelPart] = [] if seen is None else seen
    async with model.stream(QUESTION) as stream:
        async for part in stream:
            parts.append(part)  # noqa: PERF401 the caller sees what came before an error
    return parts


def said(parts: list[ModelPart]) -> str:
    return "".join(part.text for part in parts if isinstance(part, TextPart))


class TestRefusals:
    @pytest.mark.parametrize(
        ("status", "error_type", "code"),
        [
            (401, "authentication_error", "llm_key_refused"),
            (402, "billing_error", "llm_billing"),
            (403, "permission_error", "llm_not_permitted"),
        ],
    )
    async def test_account(
        self,
        claude_emulator: ClaudeEmulator,
        claude_key: str,
        open_model: Open,
        status: int,
        error_type: str,
        code: str,
    ) -> None:
        """What is wrong with the account is unavailability, and is not tried again."""
        claude_emulator.script(claude_key, refuses(status, error_type, times=5))

        with pytest.raises(ModelUnavailable) as refused:
            await answer(open_model())

        assert refused.value.slug == code
        assert len(claude_emulator.recorded(claude_key)) == 1

    @pytest.mark.parametrize(
        ("status", "error_type", "code"),
        [
            (400, "invalid_request_error", "model_request_refused"),
            (404, "not_found_error", "model_not_found"),
            (413, "request_too_large", "model_request_too_large"),
            (422, "invalid_request_error", "model_request_refused"),
        ],
    )
    async def test_request(
        self,
        claude_emulator: ClaudeEmulator,
        claude_key: str,
        open_model: Open,
        status: int,
        error_type: str,
        code: str,
    ) -> None:
        """What is wrong with the request is a failure that asking again does not heal."""
        claude_emulator.script(claude_key, refuses(status, error_type, times=5))

        with pytest.raises(ModelFailed) as refused:
            await answer(open_model())

        assert (refused.value.slug, refused.value.retryable) == (code, False)
        assert len(claude_emulator.recorded(claude_key)) == 1

    async def test_unknown_model(self, open_model: Open) -> None:
        """A model that the provider does not have is named as a setting to check."""
        with pytest.raises(ModelFailed, match="CLAUDE_MODEL"):
            await answer(open_model(model="claude-nobody-1"))

    async def test_wrong_key(self, open_model: Open) -> None:
        """A wrong key names the variable that holds it, and is itself not shown."""
        with pytest.raises(ModelUnavailable, match="ANTHROPIC_API_KEY") as refused:
            await answer(open_model(api_key=REFUSED_KEY))

        assert REFUSED_KEY not in refused.value.message.split()

    @pytest.mark.parametrize("code", ["enforced_spend_limit_reached", "contract_spend_limit_reached"])
    async def test_spend_limit(
        self, claude_emulator: ClaudeEmulator, claude_key: str, open_model: Open, code: str
    ) -> None:
        """A spend limit is a 429 that no repetition heals."""
        claude_emulator.script(claude_key, refuses(429, "rate_limit_error", code=code, times=5))

        with pytest.raises(ModelUnavailable) as refused:
            await answer(open_model())

        assert refused.value.slug == "llm_spend_limit"
        assert len(claude_emulator.recorded(claude_key)) == 1


PASSING = [
    (408, "timeout_error", "llm_unavailable"),
    (409, "conflict_error", "llm_unavailable"),
    (429, "rate_limit_error", "llm_rate_limited"),
    (500, "api_error", "llm_unavailable"),
    (503, "api_error", "llm_unavailable"),
    (504, "timeout_error", "llm_unavailable"),
    (529, "overloaded_error", "llm_overloaded"),
]


class TestPassing:
    @pytest.mark.parametrize(("status", "error_type", "code"), PASSING)
    async def test_heals(
        self,
        claude_emulator: ClaudeEmulator,
        claude_key: str,
        open_model: Open,
        status: int,
        error_type: str,
        code: str,
    ) -> None:
        """What passes is tried again before anybody hears of it."""
        claude_emulator.script(claude_key, refuses(status, error_type, times=2), says("Well."))

        assert said(await answer(open_model())) == "Well."
        assert len(claude_emulator.recorded(claude_key)) == 3

    @pytest.mark.parametrize(("status", "error_type", "code"), PASSING)
    async def test_does_not_heal(
        self,
        claude_emulator: ClaudeEmulator,
        claude_key: str,
        open_model: Open,
        status: int,
        error_type: str,
        code: str,
    ) -> None:
        """What does not pass is told after the attempts allowed."""
        claude_emulator.script(claude_key, refuses(status, error_type, times=9))

        with pytest.raises(ModelUnavailable) as refused:
            await answer(open_model(retries=1))

        assert refused.value.slug == code
        assert len(claude_emulator.recorded(claude_key)) == 2

    @pytest.mark.parametrize(
        ("headers", "seconds"),
        [({"retry-after": "3600"}, 3600.0), ({"retry-after-ms": "7200000", "retry-after": "1"}, 7200.0)],
    )
    async def test_long_pause(
        self,
        claude_emulator: ClaudeEmulator,
        claude_key: str,
        open_model: Open,
        headers: dict[str, str],
        seconds: float,
    ) -> None:
        """A provider that asks for an hour is not waited for: the error comes at once and tells the time."""
        claude_emulator.script(claude_key, refuses(429, "rate_limit_error", headers=headers))
        began = time.monotonic()

        with pytest.raises(ModelUnavailable) as refused:
            await answer(open_model())

        assert refused.value.retry_after == seconds
        assert time.monotonic() - began < 2

    async def test_short_pause(self, claude_emulator: ClaudeEmulator, claude_key: str, open_model: Open) -> None:
        """A provider that asks for a moment gets it."""
        claude_emulator.script(
            claude_key, refuses(429, "rate_limit_error", headers={"retry-after-ms": "300"}), says("Well.")
        )
        model = open_model()

        assert said(await answer(model)) == "Well."
        first, second = claude_emulator.recorded(claude_key)
        assert second.received_at - first.received_at >= 0.3

    async def test_told_not_to(self, claude_emulator: ClaudeEmulator, claude_key: str, open_model: Open) -> None:
        """`x-should-retry: false` is obeyed."""
        claude_emulator.script(
            claude_key, refuses(429, "rate_limit_error", headers={"x-should-retry": "false"}, times=5)
        )

        with pytest.raises(ModelUnavailable):
            await answer(open_model())

        assert len(claude_emulator.recorded(claude_key)) == 1

    async def test_html_of_a_proxy(self, claude_emulator: ClaudeEmulator, claude_key: str, open_model: Open) -> None:
        """A gateway's HTML page is an outage like another."""
        claude_emulator.script(
            claude_key, breaks("html", status=502), says("Well."), breaks("html", status=502, times=9)
        )

        assert said(await answer(open_model())) == "Well."
        with pytest.raises(ModelUnavailable):
            await answer(open_model())

    async def test_error_as_first_event(
        self, claude_emulator: ClaudeEmulator, claude_key: str, open_model: Open
    ) -> None:
        """An error inside a 200, before anything was said, is tried again as well."""
        overloaded = breaks("error_event", error_type="overloaded_error")
        claude_emulator.script(claude_key, overloaded, says("Well."), breaks("error_event", times=9))

        assert said(await answer(open_model())) == "Well."
        with pytest.raises(ModelUnavailable):
            await answer(open_model())

    @pytest.mark.parametrize("kind", ["fin", "rst", "truncated"])
    async def test_ends_before_it_begins(
        self, claude_emulator: ClaudeEmulator, claude_key: str, open_model: Open, kind: str
    ) -> None:
        """A stream that ends before its first event lost nothing and is asked for again."""
        broken = Scenario(fault=Fault(kind=kind))  # type: ignore[arg-type]
        claude_emulator.script(claude_key, broken, says("Well."))

        assert said(await answer(open_model())) == "Well."


class TestUnreachable:
    async def test_nobody_listens(self, open_model: Open) -> None:
        """A refused connection is unavailability, after the attempts allowed."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]

        with pytest.raises(ModelUnavailable) as refused:
            await answer(open_model(base_url=f"http://127.0.0.1:{port}"))

        assert refused.value.slug == "llm_unavailable"

    async def test_hangs(self, claude_emulator: ClaudeEmulator, claude_key: str, open_model: Open) -> None:
        """A server that takes the request and says nothing is given up at the read timeout, each time."""
        claude_emulator.script(claude_key, breaks("hang", times=9))

        with pytest.raises(ModelUnavailable):
            await answer(open_model(retries=1))

        assert len(claude_emulator.recorded(claude_key)) == 2

    async def test_deadline_of_the_start(
        self, claude_emulator: ClaudeEmulator, claude_key: str, open_model: Open
    ) -> None:
        """All attempts together end at the start's deadline."""
        claude_emulator.script(claude_key, breaks("hang", times=9))
        began = time.monotonic()

        with pytest.raises(ModelUnavailable, match=r"within 0\.4 seconds"):
            await answer(open_model(read_timeout=60.0, start_timeout=0.4))

        assert time.monotonic() - began < 2

    @pytest.mark.parametrize("kind", ["html", "bad_json"])
    async def test_another_kind_of_server(
        self, claude_emulator: ClaudeEmulator, claude_key: str, open_model: Open, kind: str
    ) -> None:
        """Success that is no stream means that something else listens there."""
        claude_emulator.script(claude_key, Scenario(fault=Fault(kind=kind, status=200)))  # type: ignore[arg-type]

        with pytest.raises(ModelFailed, match="ANTHROPIC_BASE_URL"):
            await answer(open_model())

    async def test_proxies_are_not_asked_for_loopback(self, monkeypatch: pytest.MonkeyPatch, open_model: Open) -> None:
        """A proxy of the environment does not stand between this machine and itself."""
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)

        assert said(await answer(open_model()))


# where frame 5 is in the middle of the text
BROKEN = [
    (breaks("fin", after=5), "model_cut_off", True),
    (breaks("rst", after=5), "model_cut_off", True),
    (breaks("truncated", after=5), "model_cut_off", True),
    (breaks("stall", after=5), "model_stalled", True),
    (breaks("malformed", after=5), "model_bad_reply", True),
    (breaks("error_event", after=5, error_type="overloaded_error"), "model_overloaded", True),
    (breaks("error_event", after=5, error_type="api_error"), "model_failed", True),
    (breaks("error_event", after=5, error_type="invalid_request_error"), "model_failed", False),
]


class TestBrokenOff:
    @pytest.mark.parametrize(("scenario", "code", "retryable"), BROKEN)
    async def test_inside(
        self,
        claude_emulator: ClaudeEmulator,
        claude_key: str,
        open_model: Open,
        scenario: Scenario,
        code: str,
        retryable: bool,  # noqa: FBT001 a parameter of the table
    ) -> None:
        """Once it began nothing is repeated: what came stays, then ModelFailed says how it broke."""
        claude_emulator.script(claude_key, scenario)
        seen: list[ModelPart] = []

        with pytest.raises(ModelFailed) as failed:
            await answer(open_model(), seen)

        assert said(seen)
        assert (failed.value.slug, failed.value.retryable) == (code, retryable)
        assert len(claude_emulator.recorded(claude_key)) == 1

    async def test_no_event_names(self, claude_emulator: ClaudeEmulator, claude_key: str, open_model: Open) -> None:
        """Frames without event lines are nothing to the SDK; an empty answer is not passed off as one."""
        claude_emulator.script(claude_key, breaks("no_event_lines", times=9))

        with pytest.raises(ModelUnavailable):
            await answer(open_model())

    async def test_almost_complete(self, claude_emulator: ClaudeEmulator, claude_key: str, open_model: Open) -> None:
        """An answer that lacks its very last event only is not complete."""
        # start, ping, block start, one delta, block stop, message_delta, and not message_stop
        claude_emulator.script(claude_key, Scenario(reply="text", fault=Fault(kind="truncated", after=6)))

        with pytest.raises(ModelFailed) as failed:
            await answer(open_model())

        assert failed.value.slug == "model_cut_off"


class TestLeaving:
    @pytest.mark.parametrize("where", ["hang", "stall"])
    async def test_cancelled(
        self, claude_emulator: ClaudeEmulator, claude_key: str, open_model: Open, where: str
    ) -> None:
        """CancelledError passes through, and the provider sees the client leave within 200 ms."""
        claude_emulator.script(claude_key, Scenario(fault=Fault(kind=where, after=5)))  # type: ignore[arg-type]
        task = asyncio.create_task(answer(open_model(read_timeout=60.0)))
        await until(lambda: bool(claude_emulator.recorded(claude_key)))
        await asyncio.sleep(0.1)
        cancelled_at = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        await gone(claude_emulator, claude_key, since=cancelled_at)

    async def test_left_early(self, claude_emulator: ClaudeEmulator, claude_key: str, open_model: Open) -> None:
        """Leaving the context stops the provider's work."""
        claude_emulator.script(claude_key, Scenario(delay=0.02, reply="text", options={"text": "word " * 2000}))
        async with open_model().stream(QUESTION) as parts:
            await anext(parts)
        left_at = time.monotonic()

        await gone(claude_emulator, claude_key, since=left_at)

    async def test_raised_in_the_body(self, claude_emulator: ClaudeEmulator, claude_key: str, open_model: Open) -> None:
        """The reader's own error gets out unchanged, and the connection is closed."""
        claude_emulator.script(claude_key, breaks("stall", after=5))

        with pytest.raises(KeyError):
            async with open_model().stream(QUESTION):
                raise KeyError

        await gone(claude_emulator, claude_key, since=time.monotonic())


class TestPing:
    async def test_is_believed_for_a_while(
        self, claude_emulator: ClaudeEmulator, claude_key: str, open_model: Open
    ) -> None:
        """Many pings are one request, and none of them is for a message."""
        model = open_model()
        await asyncio.gather(*(model.ping() for _ in range(10)))

        assert [record.path for record in claude_emulator.recorded(claude_key)] == ["/v1/models"]

    async def test_wrong_key(self, open_model: Open) -> None:
        """The reason is told, each time."""
        model = open_model(api_key=REFUSED_KEY)
        for _ in range(2):
            with pytest.raises(ModelUnavailable, match="ANTHROPIC_API_KEY"):
                await model.ping()

    async def test_nobody_there(self, open_model: Open) -> None:
        """An unreachable provider is unavailable."""
        with pytest.raises(ModelUnavailable):
            await open_model(base_url="http://127.0.0.1:9").ping()


async def until(condition: Callable[[], bool], *, seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        await asyncio.sleep(0.005)


async def gone(emulator: ClaudeEmulator, key: str, *, since: float) -> None:
    (record,) = emulator.recorded(key)
    await until(lambda: record.disconnected_at is not None)
    assert record.disconnected_at is not None
    assert record.disconnected_at - since < 0.2
