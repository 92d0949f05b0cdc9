"""Limits of rate over HTTP: who is counted for what, and what they are told."""

from collections.abc import AsyncIterator, MutableMapping, Sequence
from datetime import timedelta
from typing import Any

import httpx
import pytest
from attrs import define, field
from pydantic import BaseModel, ValidationError
from starlette.requests import HTTPConnection

from adapters.limits import ProcessLimiter
from application.errors import CacheUnavailable
from application.ports.limits import Charge, Limiter, Rate, Standing
from entrypoints.http.app import create_app
from entrypoints.http.rates import Rates, address_of
from entrypoints.rate_limits import DEFAULTS, RateLimits, show_rates
from tests.fakes.assembly import Assembly
from tests.http.checker import Contract
from tests.http.conftest import PASSWORD, Member, StandInContainer, join

HOUR = timedelta(hours=1)
SMALL = {
    **DEFAULTS,
    "read": Rate(3, HOUR),
    "search": Rate(2, HOUR),
    "chat": Rate(2, HOUR),
    "chat-workspace": Rate(3, HOUR),
    "login-failures": Rate(3, HOUR),
    "refused": Rate(2, HOUR),
    "open": Rate(4, HOUR),
}


@define(eq=False)
class BreakableLimiter(Limiter):
    """A limiter of this process that can be away."""

    inner: ProcessLimiter = field(factory=ProcessLimiter)
    is_down: bool = False
    asked: int = 0

    async def spend(self, charges: Sequence[Charge]) -> Standing:
        self.asked += 1
        self._check()
        return await self.inner.spend(charges)

    async def forgive(self, *keys: str) -> None:
        self._check()
        await self.inner.forgive(*keys)

    def _check(self) -> None:
        if self.is_down:
            raise CacheUnavailable("down")


@pytest.fixture
def limiter() -> BreakableLimiter:
    return BreakableLimiter()


@pytest.fixture
async def http(
    container: StandInContainer, contract: Contract, assembly: Assembly, limiter: BreakableLimiter
) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(container, rates=Rates(limiter, ProcessLimiter(), SMALL))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://test", event_hooks={"response": [contract.check]}
    ) as client:
        yield client
    await assembly.use_cases.answer_runs.close()


async def test_over_the_limit_is_told_when_to_come_again(ada: Member, bob: Member) -> None:
    """429 with `Retry-After`; the next person is not concerned."""
    answers = [await ada.call("GET", "/v1/me") for _ in range(4)]

    assert [200, 200, 200, 429] == [answer.status_code for answer in answers]
    assert ['"read";r=2;t=1200', '"read";r=1;t=2400'] == [answer.headers["ratelimit"] for answer in answers[:2]]
    assert answers[0].headers["ratelimit-policy"] == '"read";q=3;w=3600'
    assert answers[3].json()["code"] == "too_many_requests"
    assert 1190 <= int(answers[3].headers["retry-after"]) <= 1200
    assert (await bob.call("GET", "/v1/me")).status_code == 200


async def test_routes_have_their_own_limits(ada: Member) -> None:
    """Whoever has searched enough may still read."""
    searches = [await ada.call("POST", "search", json={"query": "x"}) for _ in range(3)]

    assert [200, 200, 429] == [answer.status_code for answer in searches]
    assert (await ada.call("GET", "/v1/me")).status_code == 200


async def test_questions_are_counted_by_person_and_by_workspace(ada: Member) -> None:
    """The person's share is the tighter one here; who is not a member spends nothing of the workspace's."""
    conversation = (await ada.call("POST", "conversations")).json()["id"]
    path = f"conversations/{conversation}/messages"
    answers = [await ada.call("POST", path, json={"content": "Why?"}) for _ in range(3)]

    assert [201, 201, 429] == [answer.status_code for answer in answers]
    assert answers[0].headers["ratelimit"].startswith('"chat"')


async def test_strangers_spend_nothing_of_a_workspace(ada: Member, bob: Member) -> None:
    """A foreign workspace answers 404, however often."""
    conversation = (await ada.call("POST", "conversations")).json()["id"]
    path = f"{ada.workspace}/conversations/{conversation}/messages"
    foreign = [await bob.call("POST", path, json={"content": "Why?"}) for _ in range(5)]

    assert {404} == {answer.status_code for answer in foreign}
    assert (await ada.call("POST", path, json={"content": "Why?"})).status_code == 201


async def test_open_routes_are_counted_by_address(http: httpx.AsyncClient) -> None:
    """Registration and refresh share one limit."""
    answers = [await http.post("/v1/auth/refresh", json={"refresh_token": "rrr_x"}) for _ in range(5)]

    assert [401, 401, 401, 401, 429] == [answer.status_code for answer in answers]


async def test_tokens_are_not_tried_without_end(http: httpx.AsyncClient) -> None:
    """Requests whose token is not valid are counted by address."""
    headers = {"Authorization": "Bearer nonsense"}
    answers = [await http.get("/v1/me", headers=headers) for _ in range(3)]

    assert [401, 401, 429] == [answer.status_code for answer in answers]


async def log_in(http: httpx.AsyncClient, email: str, password: str) -> httpx.Response:
    return await http.post("/v1/auth/login", json={"email": email, "password": password})


@pytest.mark.parametrize("is_down", [False, True], ids=["with_redis", "without"])
async def test_failed_logins_lead_to_a_pause(
    http: httpx.AsyncClient, limiter: BreakableLimiter, *, is_down: bool
) -> None:
    """By account and address, in any spelling; with or without Redis; nobody else is locked out."""
    for name in ("ada", "bob"):
        await join(http, f"{name}@example.org")
    limiter.is_down = is_down
    failures = [await log_in(http, spelling, "wrong") for spelling in ("ada@example.org", " Ada@Example.org") * 2]

    assert [401, 401, 401, 429] == [answer.status_code for answer in failures]
    assert (await log_in(http, "ada@example.org", PASSWORD)).status_code == 429
    assert (await log_in(http, "bob@example.org", PASSWORD)).status_code == 200


async def test_success_forgets_failures(http: httpx.AsyncClient) -> None:
    """Two slips a day never add up."""
    await join(http, "ada@example.org")
    passwords = ["wrong", "wrong", PASSWORD] * 3
    statuses = [(await log_in(http, "ada@example.org", password)).status_code for password in passwords]

    assert [401, 401, 200] * 3 == statuses


async def test_unknown_accounts_pause_alike(http: httpx.AsyncClient) -> None:
    """The limit does not tell which accounts exist."""
    answers = [await log_in(http, "nobody@example.org", "wrong") for _ in range(4)]

    assert [401, 401, 401, 429] == [answer.status_code for answer in answers]


async def test_without_the_limiter_requests_go_on(
    ada: Member, limiter: BreakableLimiter, log_lines: list[MutableMapping[str, Any]]
) -> None:
    """Nobody is refused while Redis is away; it is logged once, and it is not asked at each request."""
    limiter.is_down = True
    asked = limiter.asked
    answers = [await ada.call("GET", "/v1/me") for _ in range(10)]

    assert {200} == {answer.status_code for answer in answers}
    assert "ratelimit" not in answers[0].headers
    assert limiter.asked - asked < 5
    assert 1 == sum(line["event"] == "rate_limits_off" for line in log_lines)


async def test_an_ordinary_client_is_not_refused() -> None:
    """Five hundred files, one after the other as fast as can be, are within the defaults."""
    limiter = ProcessLimiter(clock=lambda: 0.0)
    upload = Charge(name="upload", key="k", rate=DEFAULTS["upload"])

    assert all([(await limiter.spend([upload])).allowed for _ in range(1000)])


@pytest.mark.parametrize(
    ("host", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:0db8:0001:0002::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("a unix socket", "a unix socket"),
    ],
)
def test_addresses(host: str, counted: str) -> None:
    """Of IPv6 the network is counted, since one client has all of it."""
    assert counted == address_of(HTTPConnection({"type": "http", "client": (host, 1), "headers": []}))


class Holder(BaseModel):
    limits: RateLimits = DEFAULTS


@pytest.mark.parametrize(
    ("written", "table"),
    [
        ("on", DEFAULTS),
        ("off", {}),
        ("chat=5/1m, read=7/2h", {**DEFAULTS, "chat": Rate(5, HOUR / 60), "read": Rate(7, 2 * HOUR)}),
        ({"chat": "5/1m"}, {**DEFAULTS, "chat": Rate(5, HOUR / 60)}),
    ],
)
def test_the_setting_is_a_word_or_a_table(written: Any, table: dict[str, Rate]) -> None:
    """What is shown of it gives it again."""
    limits = Holder(limits=written).limits

    assert table == limits
    assert limits == Holder.model_validate({"limits": show_rates(limits)}).limits


@pytest.mark.parametrize("written", ["maybe", "chat=0/1m", "chat=5", "chats=5/1m", "chat=5/1y", """ , """])
def test_a_setting_that_is_none_is_refused(written: str) -> None:
    """With the names of the limits there are."""
    with pytest.raises(ValidationError, match="login-failures"):
        Holder.model_validate({"limits": written})
