"""Login sessions in any order of events: what is told agrees with a model, on the fake and on Postgres."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from itertools import count

import pytest
from attrs import define, evolve, field
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from application.assembly import assemble
from application.use_cases import Policy, UseCases
from domain.errors import DomainError
from tests.contracts.units import Units
from tests.fakes.assembly import Assembly
from tests.fakes.security import FakePasswords, FakeTokens
from tests.fakes.system import FakeClock

EMAIL, FIRST_PASSWORD = "ada@example.org", "correct horse battery"
ACCESS, REFRESH = timedelta(minutes=15), timedelta(days=30)
NUMBERS = count()


@define
class Known:
    """What the model knows of one session: every refresh token there was, youngest last."""

    refresh: list[str]
    access: str
    attempt: str | None = None  # of the last exchange
    rotated: float = -1e9  # seconds
    issued: float = 0.0
    used: float = 0.0
    over: bool = False

    def live(self, now: float) -> bool:
        return not self.over and now < self.used + REFRESH.total_seconds()


@define
class Machine:
    """Does things to the application and to the model, and compares what both say."""

    app: UseCases
    clock: FakeClock
    email: str
    now: float = 0.0
    password: str = FIRST_PASSWORD
    sessions: list[Known] = field(factory=list)

    async def told(self, call: Awaitable[object]) -> object:
        try:
            return await call
        except DomainError as error:
            return error.slug

    def pick(self, number: int) -> Known | None:
        return self.sessions[number % len(self.sessions)] if self.sessions else None

    async def log_in(self, number: int) -> None:
        if number % 4 == 0:
            assert await self.told(self.app.log_in(email=self.email, password="wrong")) == "invalid_credentials"
            return
        pair = await self.app.log_in(email=self.email, password=self.password)
        self.sessions.append(Known([pair.refresh_token], pair.access_token, issued=self.now, used=self.now))

    async def refresh(self, number: int) -> None:
        known = self.pick(number)
        if known is None:
            return
        spent = number % 3 == 0 and len(known.refresh) > 1
        token = known.refresh[-2] if spent else known.refresh[-1]
        attempt = ("a", "b", None)[number // 3 % 3]
        answer = await self.told(self.app.refresh_session(refresh_token=token, attempt=attempt))
        refused = answer if isinstance(answer, str) else None
        retried = spent and attempt is not None and attempt == known.attempt and self.now - known.rotated <= 10
        if spent and not retried:
            assert refused == "token_reused"
            known.over = True
        elif not known.live(self.now):
            assert refused == ("token_reused" if spent else "invalid_token")
        elif retried:
            assert getattr(answer, "refresh_token", answer) == known.refresh[-1]
        else:
            assert refused is None
            known.refresh.append(getattr(answer, "refresh_token"))  # noqa: B009 a refusal has none
            known.access, known.attempt = getattr(answer, "access_token"), attempt  # noqa: B009
            known.rotated = known.issued = known.used = self.now

    async def revoke(self, number: int) -> None:
        known = self.pick(number)
        if known is None or not await self.is_let_in(known):
            return
        identity = await self.app.authenticate(known.access)
        if number % 3 == 0:
            await self.app.log_out(identity, refresh_token=known.refresh[-1])
        elif number % 3 == 1 and identity.session_id is not None:
            await self.app.revoke_session(identity, session_id=identity.session_id)
        else:
            new = f"another good phrase {number}"
            if new == self.password:
                return
            await self.app.change_password(identity, current_password=self.password, new_password=new)
            self.password = new
            for other in self.sessions:
                other.over = other.over or other is not known
            return
        known.over = True

    async def disable(self, number: int) -> None:
        if number % 5 == 0:
            await self.app.disable_user(email=self.email)
            for known in self.sessions:
                known.over = True
            assert await self.told(self.app.log_in(email=self.email, password=self.password)) == "invalid_credentials"
            await self.app.disable_user(email=self.email, undo=True)

    async def wait(self, number: int) -> None:
        seconds = (1, 9, 11, 14 * 60, 29 * 86400)[number % 5]
        self.now += seconds
        self.clock.advance(timedelta(seconds=seconds))

    async def is_let_in(self, known: Known) -> bool:
        return not isinstance(await self.told(self.app.authenticate(known.access)), str)

    async def agree(self) -> None:
        """The invariant: exactly the live sessions with fresh tokens are let in, and listed."""
        for known in self.sessions:
            fresh = self.now < known.issued + ACCESS.total_seconds()
            assert await self.is_let_in(known) is (fresh and known.live(self.now))
        let_in = [known for known in self.sessions if await self.is_let_in(known)]
        if let_in:
            listed = await self.app.list_sessions(await self.app.authenticate(let_in[0].access))
            assert len(listed) == sum(known.live(self.now) for known in self.sessions)


STEPS: dict[str, Callable[[Machine, int], Awaitable[None]]] = {
    "log_in": Machine.log_in,
    "refresh": Machine.refresh,
    "refresh again": Machine.refresh,
    "revoke": Machine.revoke,
    "disable": Machine.disable,
    "wait": Machine.wait,
}
histories = st.lists(st.tuples(st.sampled_from(sorted(STEPS)), st.integers(0, 11)), max_size=25)


@pytest.fixture
def app_on(units: Units, tmp_path_factory: pytest.TempPathFactory) -> Callable[[FakeClock], UseCases]:
    """The application on these units of work, with a clock of its own."""
    fakes = Assembly(root=tmp_path_factory.mktemp("files")).ports()

    def make(clock: FakeClock) -> UseCases:
        tokens, passwords = FakeTokens(clock), FakePasswords()
        tokens._numbers = NUMBERS  # all examples share one database
        ports = evolve(fakes, begin=units.begin, clock=clock, tokens=tokens, passwords=passwords)
        return assemble(ports, Policy(access_ttl=ACCESS, refresh_ttl=REFRESH))

    return make


async def live_through(app: UseCases, clock: FakeClock, history: list[tuple[str, int]]) -> None:
    email = f"{next(NUMBERS)}-{EMAIL}"
    await app.create_user(email=email, password=FIRST_PASSWORD, name="Ada")
    machine = Machine(app, clock, email)
    for step, number in history:
        await STEPS[step](machine, number)
        await machine.agree()


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(history=histories)
async def test_sessions_agree_with_their_model(
    app_on: Callable[[FakeClock], UseCases], history: list[tuple[str, int]]
) -> None:
    """Whatever happens in whatever order, nobody is let in who should not be, and nobody is shut out."""
    clock = FakeClock()
    await live_through(app_on(clock), clock, history)
