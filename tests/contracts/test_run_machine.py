"""Any order of writing, copying, losing, ending and reading leaves readers with the writer's events, or the ender's."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from adapters.redis.client import RedisClient, connect
from adapters.redis.runs import RedisRuns
from application.errors import ConcurrentChange
from application.ports.runs import RunEvent, RunLog
from domain.ids import MessageId
from tests.fakes.runs import FakeRuns

Opened = tuple[RunLog, Callable[[MessageId], Any], Callable[[], Any]]  # the log, how to lose a run, how to close


def fake_log() -> Opened:
    runs = FakeRuns()

    async def close() -> None:
        return

    return runs, runs.forget, close


def redis_log(url: str) -> Opened:
    client: RedisClient = connect(url)
    runs = RedisRuns(client, namespace="machine:")

    async def lose(message_id: MessageId) -> None:
        await client.delete(f"machine:{message_id}")

    async def close() -> None:
        await runs.aclose()
        await client.aclose()

    return runs, lose, close


class Machine(RuleBasedStateMachine):
    """One writer with its events in memory, one log that may lose everything, one sweeper, readers at any time."""

    open_log: Callable[[], Opened]

    @initialize()
    def begin(self) -> None:
        self.runner = asyncio.Runner()
        self.log, self.lose, self.close = self.runner.run(self._opened())
        self.message_id = MessageId(uuid4())
        self.events: list[RunEvent] = []  # the writer's
        self.copied = 0
        self.stored: list[RunEvent] = []  # what the log must hold
        self.is_crashed = False

    async def _opened(self) -> Opened:
        return type(self).open_log()

    @property
    def is_told(self) -> bool:
        return bool(self.events) and self.events[-1].is_last

    @property
    def is_ended(self) -> bool:
        return bool(self.stored) and self.stored[-1].is_last

    def emit(self, name: str, data: dict[str, Any]) -> None:
        self.events.append(RunEvent(offset=len(self.events) + 1, name=name, data=data))

    @precondition(lambda self: not self.is_crashed and not self.is_told)
    @rule(text=st.text(max_size=20))
    def delta(self, text: str) -> None:
        self.emit("content.delta", {"text": text})

    @precondition(lambda self: not self.is_crashed and not self.is_told)
    @rule(name=st.sampled_from(["message.completed", "message.failed"]))
    def end(self, name: str) -> None:
        self.emit(name, {"message": {"status": "cancelled"}})

    @precondition(lambda self: not self.is_crashed)
    @rule(back=st.integers(0, 3))
    def copy(self, back: int) -> None:
        """As the writer does, sometimes giving again what the log has."""
        offered = self.events[max(0, self.copied - back) :]
        first = offered[0].offset if offered else len(self.events) + 1
        gapless = first <= len(self.stored) + 1
        beyond = gapless and len(self.events) > len(self.stored)
        if self.is_ended and beyond and offered:
            with pytest.raises(ConcurrentChange):
                self.runner.run(self.log.append(self.message_id, offered))
            self.is_crashed = True  # it lost the run
            return
        if gapless and beyond:
            self.stored = self.stored + self.events[len(self.stored) :]
        self.copied = self.runner.run(self.log.append(self.message_id, offered))
        assert self.copied == len(self.stored)

    @rule()
    def lose_everything(self) -> None:
        self.runner.run(self.lose(self.message_id))
        self.stored = []

    @precondition(lambda self: not self.is_crashed)
    @rule()
    def crash(self) -> None:
        self.is_crashed = True

    @precondition(lambda self: self.is_crashed and not self.is_ended)
    @rule()
    def sweep(self) -> None:
        """The answer is ended after what the log holds."""
        last = RunEvent(offset=len(self.stored) + 1, name="message.failed", data={"message": {"status": "interrupted"}})
        self.stored = [*self.stored, last]
        assert len(self.stored) == self.runner.run(self.log.append(self.message_id, self.stored))

    @precondition(lambda self: self.is_ended)
    @rule(after=st.integers(0, 12))
    def read(self, after: int) -> None:
        async def collect() -> list[RunEvent]:
            async with asyncio.timeout(5):
                return [event async for event in self.log.read(self.message_id, after=after)]

        assert self.runner.run(collect()) == self.stored[after:]

    @invariant()
    def the_log_holds_what_it_was_given(self) -> None:
        if hasattr(self, "log"):
            assert self.stored == self.runner.run(self.log.stored(self.message_id))

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            self.runner.run(self.close())
            self.runner.close()


def check(opened: Callable[[], Opened], examples: int) -> None:
    machine = type("OpenedMachine", (Machine,), {"open_log": staticmethod(opened)})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


def test_the_fake_in_any_order() -> None:
    """The fake keeps the promises in every order that is tried."""
    check(fake_log, 60)


def test_redis_in_any_order(redis_url: str) -> None:
    """So does Redis."""
    check(lambda: redis_log(redis_url), 25)
