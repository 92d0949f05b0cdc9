"""What every clock and every source of ids promises."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from adapters.system import SystemClock, Uuid7Ids
from application.ports.system import Clock, Ids
from tests.fakes.system import FakeClock, FakeIds


@pytest.fixture(params=[SystemClock, FakeClock])
def clock(request: pytest.FixtureRequest) -> Clock:
    made: Clock = request.param()
    return made


@pytest.fixture(params=[Uuid7Ids, FakeIds])
def ids(request: pytest.FixtureRequest) -> Ids:
    made: Ids = request.param()
    return made


def test_now_is_in_utc_and_never_goes_back(clock: Clock) -> None:
    """The present moment is aware, in UTC, and not before an earlier one."""
    first, second = clock.now(), clock.now()

    assert first.utcoffset() == timedelta(0)
    assert first <= second


def test_system_clock_tells_the_present() -> None:
    """The machine's clock is the machine's."""
    assert abs(SystemClock().now() - datetime.now(UTC)) < timedelta(seconds=5)


def test_fake_clock_moves_only_when_told() -> None:
    """A test decides what time it is."""
    clock = FakeClock()
    before = clock.now()
    clock.advance(timedelta(hours=2))

    assert before + timedelta(hours=2) == clock.now()


def test_ids_are_uuid7_and_sort_by_making(ids: Ids) -> None:
    """Many made in a burst are of version 7, all different, each after the one before."""
    made = [ids.new() for _ in range(20_000)]

    assert {7} == {one.version for one in made}
    assert all(earlier < later for earlier, later in pairwise(made))
