import asyncio
from uuid import UUID, uuid4

import pytest

from application.access_memory import MAX_AGE, AccessMemory, Learned
from domain.errors import NotFound
from tests.fakes.access import Bus, FakeAccessChanges


class Truth:
    """Counts how often it is asked; `pause` holds an answer back."""

    def __init__(self, subject: UUID) -> None:
        self.subject = subject
        self.value = "old"
        self.asked = 0
        self.pause: asyncio.Event | None = None

    async def ask(self) -> Learned:
        self.asked += 1
        answer = self.value
        if self.pause is not None:
            await self.pause.wait()
        return Learned(answer, (self.subject,))


class Watch:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def truth() -> Truth:
    return Truth(uuid4())


@pytest.fixture
def bus() -> Bus:
    return Bus()


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def memory(bus: Bus, watch: Watch) -> AccessMemory:
    return AccessMemory(FakeAccessChanges(bus), now=watch)


async def test_the_truth_is_asked_once_until_it_is_old(memory: AccessMemory, truth: Truth, watch: Watch) -> None:
    """Less than a second passes before it is asked again."""
    for _ in range(3):
        assert await memory.recall("k", truth.ask) == "old"
    assert truth.asked == 1

    truth.value = "new"
    watch.seconds += MAX_AGE

    assert await memory.recall("k", truth.ask) == "new"
    assert MAX_AGE < 1


async def test_a_change_announced_by_any_process_is_seen_at_once(memory: AccessMemory, truth: Truth, bus: Bus) -> None:
    """What is remembered of other subjects stays."""
    other = Truth(uuid4())
    await memory.recall("k", truth.ask)
    await memory.recall("other", other.ask)
    truth.value = "new"

    await FakeAccessChanges(bus).announce(truth.subject)

    assert await memory.recall("k", truth.ask) == "new"
    await memory.recall("other", other.ask)
    assert other.asked == 1


async def test_without_announcements_the_truth_is_asked_each_time(memory: AccessMemory, truth: Truth, bus: Bus) -> None:
    """What was remembered before does not count either."""
    await memory.recall("k", truth.ask)
    bus.down = True
    truth.value = "new"

    assert await memory.recall("k", truth.ask) == "new"
    await memory.recall("k", truth.ask)
    assert truth.asked == 3


async def test_an_answer_that_a_change_overtook_is_not_kept(memory: AccessMemory, truth: Truth, bus: Bus) -> None:
    """It was read before the change, and may be wrong after it."""
    truth.pause = asyncio.Event()
    asking = asyncio.create_task(memory.recall("k", truth.ask))
    await asyncio.sleep(0)
    await FakeAccessChanges(bus).announce(truth.subject)
    truth.value = "new"
    truth.pause.set()
    assert await asking == "old"

    assert await memory.recall("k", truth.ask) == "new"


async def test_refusals_are_not_kept(memory: AccessMemory, truth: Truth) -> None:
    """Who was just let in does not wait."""

    async def refuse() -> Learned:
        raise NotFound("not yet")

    with pytest.raises(NotFound):
        await memory.recall("k", refuse)

    assert await memory.recall("k", truth.ask) == "old"


async def test_it_does_not_grow_without_end(bus: Bus, watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Past a limit everything is asked anew."""
    monkeypatch.setitem(AccessMemory.recall.__globals__, "MAX_ENTRIES", 3)
    memory = AccessMemory(FakeAccessChanges(bus), now=watch)
    for number in range(10):
        await memory.recall(number, Truth(uuid4()).ask)

    assert len(memory._entries) <= 3
    assert len(memory._keys) == len(memory._entries)
