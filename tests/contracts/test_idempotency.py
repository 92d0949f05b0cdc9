"""A request with a key is done once: on units of work in memory and on Postgres."""

import asyncio
from datetime import timedelta
from hashlib import sha256
from uuid import uuid4

import pytest
from attrs import evolve

from adapters.security.seal import AesSeal
from application.attempts import Attempt
from application.calls import attempting
from application.errors import AlreadyExists, ConcurrentChange
from application.idempotency import KEPT, LEASE, Earlier, Idempotency, Scope
from application.ports.idempotency import Reservation
from domain.errors import Conflict, DomainError, InvalidInput
from tests.contracts.units import NOW, Team, Units, found_team, make_collection
from tests.fakes.system import FakeClock

SECRET = "a secret key for tests that is long enough"
ASKED = sha256(b"asked").digest()


def make(units: Units, clock: FakeClock | None = None) -> Idempotency:
    return Idempotency(begin=units.begin, clock=clock or FakeClock(NOW), seal=AesSeal([SECRET]))


def scope_of(team: Team, key: str = "key") -> Scope:
    return Scope(user_id=team.owner.id, actor=team.owner.id, workspace_id=team.id, key=key)


async def begun(idempotency: Idempotency, scope: Scope, fingerprint: bytes = ASKED) -> Attempt:
    attempt = await idempotency.reserve(scope, fingerprint=fingerprint)
    assert isinstance(attempt, Attempt)
    attempt.keep = lambda result: str(result).encode()
    return attempt


async def make_papers(units: Units, team: Team, name: str, result: object | None) -> None:
    async with units.begin(team.id) as work:
        await work.collections.add(make_collection(team.id, name))
        await work.commit(result)


async def names(units: Units, team: Team) -> set[str]:
    async with units.begin(team.id) as work:
        return {collection.name for collection in await work.collections.page(team.id, limit=100)}


async def test_the_answer_commits_with_the_work(units: Units) -> None:
    """What another attempt finds is the answer that was made from the first one's result."""
    team = await found_team(units)
    idempotency = make(units)
    attempt = await begun(idempotency, scope_of(team))
    with attempting(attempt):  # and then the process dies: nothing is done after the commit
        await make_papers(units, team, "One", "made one")

    assert Earlier(answer=b"made one", fingerprint=ASKED) == await idempotency.reserve(
        scope_of(team), fingerprint=ASKED
    )


async def test_no_answer_without_the_work(units: Units) -> None:
    """Work that was rolled back leaves the key free for the next attempt."""
    team = await found_team(units)
    idempotency = make(units)
    attempt = await begun(idempotency, scope_of(team))

    async def fail() -> None:
        async with idempotency.under(attempt), units.begin(team.id) as work:
            await work.collections.add(make_collection(team.id, "One"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()

    assert isinstance(await idempotency.reserve(scope_of(team), fingerprint=ASKED), Attempt)
    assert "One" not in await names(units, team)


async def test_while_the_first_runs_the_second_is_told(units: Units) -> None:
    """In progress until the lease ends."""
    team = await found_team(units)
    clock = FakeClock(NOW)
    idempotency = make(units, clock)
    await begun(idempotency, scope_of(team))
    clock.advance(LEASE - timedelta(seconds=1))

    with pytest.raises(Conflict) as caught:
        await idempotency.reserve(scope_of(team), fingerprint=ASKED)

    assert caught.value.slug == "idempotency_in_progress"


async def test_one_that_only_seemed_dead_cannot_commit(units: Units) -> None:
    """After a take-over nothing of the earlier attempt remains, and the work is done once."""
    team = await found_team(units)
    clock = FakeClock(NOW)
    idempotency = make(units, clock)
    slow = await begun(idempotency, scope_of(team))
    clock.advance(LEASE)
    second = await begun(idempotency, scope_of(team))

    with attempting(slow), pytest.raises(ConcurrentChange):
        await make_papers(units, team, "Slow", "slow")
    with attempting(second):
        await make_papers(units, team, "Second", "second")

    assert {"General", "Second"} == await names(units, team)
    with attempting(slow), pytest.raises(ConcurrentChange):
        await make_papers(units, team, "Later still", "slow")
    earlier = await idempotency.reserve(scope_of(team), fingerprint=ASKED)
    assert isinstance(earlier, Earlier)
    assert earlier.answer == b"second"


async def test_a_long_attempt_keeps_its_key(units: Units) -> None:
    """While the work goes on its lease is renewed; a renewal never undoes what is done."""
    team = await found_team(units)
    attempt = await begun(make(units), scope_of(team))
    longer = evolve(attempt.reservation, leased_until=NOW + 2 * LEASE)
    async with units.begin(team.id) as work:
        await work.idempotency.save(longer, held=longer.token)
        await work.commit()

    late = make(units, FakeClock(NOW + LEASE))
    with pytest.raises(Conflict):
        await late.reserve(scope_of(team), fingerprint=ASKED)
    with attempting(attempt):
        await make_papers(units, team, "One", "one")
    async with units.begin(team.id) as work:
        with pytest.raises(ConcurrentChange):
            await work.idempotency.save(longer, held=longer.token)


async def test_another_body_is_refused(units: Units) -> None:
    """The same key for something else: while the first runs, and after it."""
    team = await found_team(units)
    idempotency = make(units)
    attempt = await begun(idempotency, scope_of(team))
    other = sha256(b"other").digest()
    slugs = []
    for _ in range(2):
        with pytest.raises(InvalidInput) as caught:
            await idempotency.reserve(scope_of(team), fingerprint=other)
        slugs.append(caught.value.slug)
        with attempting(attempt):
            await make_papers(units, team, "One", "one") if not attempt.is_settled else None

    assert slugs == ["idempotency_key_reused"] * 2


async def test_keys_belong_to_somebody_in_a_workspace(units: Units) -> None:
    """Another person, or another workspace, and the same words are another key."""
    ours, theirs = await found_team(units), await found_team(units)
    idempotency = make(units)
    await begun(idempotency, scope_of(ours))

    await begun(idempotency, scope_of(theirs))
    await begun(idempotency, Scope(user_id=ours.owner.id, actor=ours.owner.id, workspace_id=None, key="key"))
    await begun(idempotency, scope_of(ours, "another key"))


async def test_after_a_day_a_key_is_free(units: Units) -> None:
    """And what was kept of it is dropped."""
    team = await found_team(units)
    clock = FakeClock(NOW)
    idempotency = make(units, clock)
    attempt = await begun(idempotency, scope_of(team))
    with attempting(attempt):
        await make_papers(units, team, "One", "one")
    await begun(idempotency, scope_of(team, "other"))
    clock.advance(KEPT)

    await begun(idempotency, scope_of(team), sha256(b"other").digest())
    assert await idempotency.forget_old() in {0, 1}
    assert await idempotency.forget_old() == 0


async def test_work_that_recorded_nothing_is_not_done_again(units: Units) -> None:
    """Where a use case commits without its result, a death before the answer is told, not repeated."""
    team = await found_team(units)
    idempotency = make(units)
    attempt = await begun(idempotency, scope_of(team))
    with attempting(attempt):
        await make_papers(units, team, "One", None)

    with pytest.raises(Conflict) as caught:
        await idempotency.reserve(scope_of(team), fingerprint=ASKED)
    assert caught.value.slug == "idempotency_answer_lost"

    await idempotency.finish(attempt, b"one")
    assert Earlier(answer=b"one", fingerprint=ASKED) == await idempotency.reserve(scope_of(team), fingerprint=ASKED)


async def test_of_many_at_once_one_works(units: Units) -> None:
    """Twenty at the same moment: one attempt, and everybody else is told to wait or given the answer."""
    team = await found_team(units)
    idempotency = make(units)

    async def send() -> str:
        try:
            attempt = await idempotency.reserve(scope_of(team), fingerprint=ASKED)
        except DomainError as error:
            return error.slug
        if isinstance(attempt, Earlier):
            return attempt.answer.decode()
        attempt.keep = lambda result: str(result).encode()
        async with idempotency.under(attempt):
            await make_papers(units, team, "One", "replayed")
        return "worked"

    outcomes = await asyncio.gather(*(send() for _ in range(20)))

    assert outcomes.count("worked") == 1
    assert {"worked", "replayed", "idempotency_in_progress"} >= set(outcomes)


async def test_the_answer_is_unreadable_without_the_key(units: Units) -> None:
    """It may hold a secret that is shown once: neither a copy of the database nor another key opens it."""
    team = await found_team(units)
    idempotency = make(units)
    attempt = await begun(idempotency, scope_of(team))
    with attempting(attempt):
        await make_papers(units, team, "One", "rrk_secret")

    async with units.begin(team.id) as work:
        stored = await work.idempotency.get(scope_of(team).digest)
    assert stored is not None
    assert stored.answer is not None
    assert b"rrk_secret" not in stored.answer
    assert stored.fingerprint not in {b"", ASKED}
    assert AesSeal([SECRET]).open(stored.fingerprint, context=b"another") is None
    assert AesSeal([SECRET]).open(stored.answer, context=b"another") is None
    other = Idempotency(begin=units.begin, clock=FakeClock(NOW), seal=AesSeal([SECRET[::-1]]))
    with pytest.raises(Conflict):
        await other.reserve(scope_of(team), fingerprint=ASKED)


async def test_whoever_has_no_account_yet_has_keys_too(units: Units) -> None:
    """They belong to nobody and to no workspace, and end with the day as all do."""
    clock = FakeClock(NOW)
    idempotency = make(units, clock)
    nobody = Scope(user_id=None, actor=None, workspace_id=None, key="key")
    attempt = await begun(idempotency, nobody)
    await idempotency.finish(attempt, b"made")

    assert Earlier(answer=b"made", fingerprint=ASKED) == await idempotency.reserve(nobody, fingerprint=ASKED)
    clock.advance(KEPT)
    assert isinstance(await idempotency.reserve(nobody, fingerprint=ASKED), Attempt)


async def test_a_key_of_another_workspace_is_not_seen(units: Units) -> None:
    """A unit of work that is bound elsewhere finds and frees nothing; a key in use cannot be added."""
    ours, theirs = await found_team(units), await found_team(units)
    attempt = await begun(make(units), scope_of(ours))
    reservation: Reservation = attempt.reservation
    async with units.begin(theirs.id) as work:
        assert await work.idempotency.get(reservation.digest) is None
        await work.idempotency.release(reservation.digest, held=reservation.token)
        await work.commit()

    async with units.begin(ours.id) as work:
        with pytest.raises(AlreadyExists):
            await work.idempotency.add(evolve(reservation, token=uuid4()))
        assert reservation == await work.idempotency.get(reservation.digest)
