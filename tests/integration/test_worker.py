"""What the queue's consuming side keeps, on Postgres: done once, tried again, taken over from the dead, handed back."""

import asyncio
import multiprocessing
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from attrs import define, evolve, field, frozen

from adapters.postgres.engine import make_engine
from adapters.postgres.errors import translated
from adapters.postgres.jobs import decode, encode
from adapters.postgres.unit_of_work import PostgresUnitOfWorkFactory
from adapters.postgres.worker import JobHandler, PostgresWorker, WorkerDied, WorkerOptions
from application.errors import DatabaseUnavailable, EmbedderUnavailable
from application.ports.jobs import AnyJob, DescribeDocument, EraseDocument, IngestDocument, RemoveOldRevisions
from application.ports.unit_of_work import UnitOfWorkFactory
from domain.ids import DocumentId, WorkspaceId
from tests.contracts.units import execute, new_id
from tests.fakes.database import FakeDatabase, QueuedJob
from tests.fakes.jobs import MemoryWorker

QUICK = WorkerOptions(
    concurrency=2,
    max_attempts=3,
    first_delay=timedelta(milliseconds=20),
    outage_pause=timedelta(milliseconds=20),
    lease=timedelta(seconds=1),
    poll=timedelta(seconds=30),
    stop_timeout=timedelta(seconds=5),
)


def an_ingest(size: int = 1) -> IngestDocument:
    return IngestDocument(workspace_id=WorkspaceId(new_id()), document_id=DocumentId(new_id()), revision=1, size=size)


@define
class Handler:
    """Does as `act` says, and remembers."""

    act: Callable[[AnyJob], Awaitable[None]] | None = None
    begun: list[AnyJob] = field(factory=list)
    done: list[AnyJob] = field(factory=list)
    given_up: list[tuple[AnyJob, Exception]] = field(factory=list)
    give_up_error: Exception | None = None

    async def __call__(self, job: AnyJob) -> None:
        self.begun.append(job)
        if self.act is not None:
            await self.act(job)
        self.done.append(job)

    async def give_up(self, job: AnyJob, error: Exception) -> None:
        if self.give_up_error is not None:
            raised, self.give_up_error = self.give_up_error, None
            raise raised
        self.given_up.append((job, error))


@frozen
class Queue:
    """A database with its queue."""

    url: str
    begin: UnitOfWorkFactory

    async def put(self, *jobs: AnyJob, delay: timedelta | None = None) -> None:
        async with self.begin(None) as work:
            await work.jobs.enqueue(jobs, delay=delay)
            await work.commit()

    async def rows(self) -> Sequence[asyncpg.Record]:
        return await execute(self.url, "SELECT status::text, attempts, entrypoint FROM jobs ORDER BY id")

    @asynccontextmanager
    async def worker(self, handler: JobHandler, options: WorkerOptions = QUICK) -> AsyncIterator[PostgresWorker]:
        worker = PostgresWorker(self.url, handler, options)
        running = asyncio.create_task(worker.run())
        try:
            yield worker
        finally:
            worker.stop()
            await running


async def until(condition: Callable[[], bool | Awaitable[bool]], seconds: float = 10.0) -> None:
    """Wait for it; fail where it takes too long."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer if isinstance(answer, bool) else await answer:
            return
        assert time.monotonic() < deadline, "it did not come true in time"
        await asyncio.sleep(0.005)


@pytest.fixture
async def queue(migrated_database: str) -> AsyncIterator[Queue]:
    engine = make_engine(migrated_database)
    yield Queue(migrated_database, PostgresUnitOfWorkFactory(engine))
    await engine.dispose()


ONE: dict[str, Any] = {"workspace_id": WorkspaceId(UUID(int=1)), "document_id": DocumentId(UUID(int=2))}


@pytest.mark.parametrize(
    ("kind", "job"),
    [
        ("ingest_document", IngestDocument(**ONE, revision=3, size=4)),
        ("remove_old_revisions", RemoveOldRevisions(**ONE, live_revision=3)),
        ("erase_document", EraseDocument(**ONE)),
        ("describe_document", DescribeDocument(**ONE)),
    ],
)
def test_a_job_comes_back_as_it_was(kind: str, job: AnyJob) -> None:
    """Every kind of job survives its JSON."""
    assert job == decode(kind, encode(job))


async def test_jobs_are_done_once_and_leave_the_queue(queue: Queue) -> None:
    """Two workers share a hundred jobs without doing any twice."""
    jobs = [an_ingest() for _ in range(100)]
    await queue.put(*jobs)
    handler = Handler()

    async with queue.worker(handler), queue.worker(handler):
        await until(lambda: len(handler.done) >= 100)

    assert sorted(map(str, jobs)) == sorted(map(str, handler.done))
    assert await queue.rows() == []


async def test_a_new_job_wakes_an_idle_worker(queue: Queue) -> None:
    """NOTIFY, not polling, brings the job: within 50 ms on a machine at rest."""
    handler = Handler()
    waits = []
    async with queue.worker(handler):
        for number in range(1, 6):
            await asyncio.sleep(0.05)
            await queue.put(an_ingest())
            committed = time.perf_counter()
            await until(lambda wanted=number: len(handler.done) == wanted)  # type: ignore[misc]
            waits.append(time.perf_counter() - committed)

    assert min(waits) < 0.05


async def test_small_files_go_first(queue: Queue) -> None:
    """A memo overtakes a thousand pages, and an erasure both."""
    large, small = an_ingest(500 * 1024**2), an_ingest(10_000)
    erase = EraseDocument(workspace_id=WorkspaceId(new_id()), document_id=DocumentId(new_id()))
    await queue.put(large, small, erase)
    handler = Handler()

    async with queue.worker(handler, evolve(QUICK, concurrency=1)):
        await until(lambda: len(handler.done) == 3)

    assert [erase, small, large] == handler.begun


async def test_a_small_file_does_not_wait_for_a_bulk_upload(queue: Queue) -> None:
    """One that comes after two hundred others, of the same workspace or of another, is among the next few."""
    bulk = [an_ingest() for _ in range(200)]
    owner = bulk[0].workspace_id
    bulk = [evolve(job, workspace_id=owner) for job in bulk]
    ours, theirs = evolve(an_ingest(), workspace_id=owner), an_ingest()
    release = asyncio.Event()

    async def act(_job: AnyJob) -> None:
        await release.wait()

    await queue.put(*bulk)
    handler = Handler(act)
    async with queue.worker(handler, evolve(QUICK, concurrency=1)):
        await until(lambda: len(handler.begun) == 1)
        await queue.put(ours)
        await queue.put(theirs)
        release.set()
        await until(lambda: len(handler.begun) >= 8)

    assert ours in handler.begun[:5]
    assert theirs in handler.begun[:5]


async def test_workspaces_take_turns(queue: Queue) -> None:
    """Who came second with many files is served as often as who came first."""
    first, second = WorkspaceId(new_id()), WorkspaceId(new_id())
    await queue.put(*(evolve(an_ingest(), workspace_id=first) for _ in range(40)))
    await queue.put(*(evolve(an_ingest(), workspace_id=second) for _ in range(40)))
    handler = Handler()
    async with queue.worker(handler, evolve(QUICK, concurrency=1)):
        await until(lambda: len(handler.done) >= 40)

    served = [job.workspace_id for job in handler.done[:40]]
    assert 15 <= served.count(second) <= 25


async def test_a_large_file_is_not_starved(queue: Queue) -> None:
    """It was there first, and is read though small ones keep coming."""
    large = an_ingest(500 * 1024**2)
    small = [evolve(an_ingest(), workspace_id=large.workspace_id) for _ in range(60)]
    await queue.put(large)
    await queue.put(*small)
    handler = Handler()
    async with queue.worker(handler, evolve(QUICK, concurrency=1)):
        await until(lambda: len(handler.done) == 61)

    assert handler.done.index(large) < 10


async def test_no_more_at_once_than_allowed(queue: Queue) -> None:
    """Concurrency is a limit, down to one."""
    at_once, most = 0, 0

    async def act(_job: AnyJob) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.01)
        at_once -= 1

    await queue.put(*(an_ingest() for _ in range(10)))
    handler = Handler(act)
    async with queue.worker(handler, evolve(QUICK, concurrency=1)):
        await until(lambda: len(handler.done) == 10)

    assert most == 1


async def test_a_delayed_job_waits(queue: Queue) -> None:
    """A delay is kept, and its end needs no polling."""
    await queue.put(an_ingest(), delay=timedelta(seconds=0.3))
    handler = Handler()
    started = time.monotonic()

    async with queue.worker(handler):
        await until(lambda: len(handler.done) == 1, seconds=3)

    assert time.monotonic() - started > 0.25


async def test_a_failing_job_is_tried_again(queue: Queue) -> None:
    """Failures before the last attempt do no harm."""

    async def act(_job: AnyJob) -> None:
        if len(handler.begun) < 3:
            raise ValueError("not yet")

    await queue.put(an_ingest())
    handler = Handler(act)
    async with queue.worker(handler):
        await until(lambda: len(handler.done) == 1)

    assert len(handler.begun) == 3
    assert handler.given_up == []
    assert await queue.rows() == []


async def test_a_poisoned_job_is_given_up_alone(queue: Queue) -> None:
    """After the last attempt it is given up and kept for inspection; its neighbours are done."""
    poisoned, sound = an_ingest(), an_ingest()

    async def act(job: AnyJob) -> None:
        if job == poisoned:
            raise ValueError("never")

    await queue.put(poisoned, sound)
    handler = Handler(act, give_up_error=RuntimeError("the first attempt to give up fails"))
    async with queue.worker(handler, evolve(QUICK, longest_delay=timedelta(milliseconds=20))):
        await until(lambda: len(handler.given_up) == 1)

    assert [sound] == handler.done
    assert (poisoned, ValueError) == (handler.given_up[0][0], type(handler.given_up[0][1]))
    assert [row["status"] for row in await queue.rows()] == ["failed"]


async def test_an_outage_is_not_the_jobs_fault(queue: Queue) -> None:
    """While an engine is away a job is postponed as often as it takes, uncounted."""

    async def act(_job: AnyJob) -> None:
        if len(handler.begun) < 8:
            raise EmbedderUnavailable("away", retry_after=0.01)

    await queue.put(an_ingest())
    handler = Handler(act)
    async with queue.worker(handler):
        await until(lambda: len(handler.done) == 1)

    assert handler.given_up == []


async def test_an_outage_ends_with_the_patience(queue: Queue) -> None:
    """A job that has waited for longer than the patience fails like any other."""

    async def act(_job: AnyJob) -> None:
        raise EmbedderUnavailable("away", retry_after=0.01)

    await queue.put(an_ingest())
    handler = Handler(act)
    async with queue.worker(handler, evolve(QUICK, outage_patience=timedelta(0))):
        await until(lambda: len(handler.given_up) == 1)

    assert len(handler.begun) == 3


async def test_stopping_waits_for_running_jobs(queue: Queue) -> None:
    """What runs is finished, what waits stays for others."""
    release = asyncio.Event()

    async def act(_job: AnyJob) -> None:
        await release.wait()

    await queue.put(an_ingest(), an_ingest())
    handler = Handler(act)
    async with queue.worker(handler, evolve(QUICK, concurrency=1)) as worker:
        await until(lambda: len(handler.begun) == 1)
        worker.stop()
        release.set()

    assert len(handler.done) == 1
    assert [(row["status"], row["attempts"]) for row in await queue.rows()] == [("queued", 0)]


async def test_stopping_hands_back_what_takes_too_long(queue: Queue) -> None:
    """A job that does not end in time is cancelled and at once free for others, uncounted."""

    async def act(_job: AnyJob) -> None:
        await asyncio.sleep(60)

    await queue.put(an_ingest())
    handler = Handler(act)
    started = time.monotonic()
    async with queue.worker(handler, evolve(QUICK, stop_timeout=timedelta(seconds=0.2))):
        await until(lambda: len(handler.begun) == 1)

    assert time.monotonic() - started < 5
    assert [(row["status"], row["attempts"]) for row in await queue.rows()] == [("queued", 0)]


async def test_a_cut_connection_is_made_anew_and_nothing_is_lost(queue: Queue) -> None:
    """A job that ends while the database is away is reported afterwards, and not done again."""
    release = asyncio.Event()

    async def act(_job: AnyJob) -> None:
        await release.wait()

    await queue.put(an_ingest())
    handler = Handler(act)
    async with queue.worker(handler):
        await until(lambda: len(handler.begun) == 1)
        await execute(
            queue.url,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'readingroom-worker' AND datname = current_database()",
        )
        release.set()
        await until(lambda: len(handler.done) == 1)

        async def is_empty() -> bool:
            return not await queue.rows()

        await until(is_empty)
        release.set()
        await queue.put(an_ingest())
        await until(lambda: len(handler.done) == 2)

    assert len(handler.begun) == 2


def _doomed_worker(url: str, marker: str) -> None:
    """A worker process that begins a job and never ends it."""

    async def act(_job: AnyJob) -> None:
        await asyncio.to_thread(Path(marker).touch)
        await asyncio.sleep(600)

    asyncio.run(PostgresWorker(url, Handler(act), QUICK).run())


async def _kill_a_worker_at_work(url: str, marker: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=_doomed_worker, args=(url, str(marker)))
    process.start()
    try:
        await until(marker.exists, seconds=30)
    finally:
        os.kill(process.pid or 0, signal.SIGKILL)
        await asyncio.to_thread(process.join)
        process.close()


@pytest.mark.faults
async def test_jobs_of_a_killed_worker_are_taken_over(queue: Queue, tmp_path: Path) -> None:
    """After kill -9 in the middle of a job another worker does it, when the lease has ended."""
    job = an_ingest()
    await queue.put(job)
    await _kill_a_worker_at_work(queue.url, tmp_path / "begun")
    handler = Handler()
    died = time.monotonic()

    async with queue.worker(handler):
        await until(lambda: handler.done == [job])

    assert time.monotonic() - died < 5 * QUICK.lease.total_seconds()
    assert await queue.rows() == []


@pytest.mark.faults
async def test_a_job_that_kills_its_workers_is_given_up(queue: Queue, tmp_path: Path) -> None:
    """A death counts as an attempt; the last one ends the job without running it again."""
    await queue.put(an_ingest())
    await execute(queue.url, "UPDATE jobs SET attempts = $1", QUICK.max_attempts - 1)
    await _kill_a_worker_at_work(queue.url, tmp_path / "begun")
    handler = Handler()

    async with queue.worker(handler):
        await until(lambda: len(handler.given_up) == 1)

    assert handler.begun == []
    assert isinstance(handler.given_up[0][1], WorkerDied)


async def test_a_live_worker_keeps_its_job_beyond_the_lease(queue: Queue) -> None:
    """Heartbeats keep a long job from being taken over."""

    async def act(_job: AnyJob) -> None:
        await asyncio.sleep(2.5 * QUICK.lease.total_seconds())

    await queue.put(an_ingest())
    handler = Handler(act)
    async with queue.worker(handler), queue.worker(handler):
        await until(lambda: len(handler.done) == 1)

    assert len(handler.begun) == 1


async def test_the_memory_worker_drains_and_gives_up() -> None:
    """The fake's worker does what is queued, in order, and hands over what keeps failing."""
    first, second = an_ingest(), an_ingest()
    database = FakeDatabase(jobs=[QueuedJob(first, 0.0), QueuedJob(second, 0.0)])

    async def act(job: AnyJob) -> None:
        if job == second:
            raise ValueError("never")

    handler = Handler(act)
    worker = MemoryWorker(database, handler, handler.give_up, max_attempts=2)

    assert [first] == await worker.drain()
    assert [first, second, second] == handler.begun
    assert [second] == [job for job, _ in handler.given_up]


@pytest.mark.parametrize(
    "raised",
    [
        asyncpg.InternalClientError("cannot switch to state 11; another operation (2) is in progress"),
        asyncpg.InterfaceError("connection is closed"),
        ConnectionResetError("gone"),
        TimeoutError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_connection_that_is_cut_at_any_moment_is_an_outage(raised: Exception) -> None:
    """Whatever the driver says of it: a worker waits and connects anew, it does not end."""
    with pytest.raises(DatabaseUnavailable), translated():
        raise raised
