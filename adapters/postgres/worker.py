"""Taking jobs out of Postgres and doing them.

A job is picked with a lease: its worker renews a heartbeat while it runs. Where the heartbeat stops for longer than
the lease, any other worker puts the job back, counted as a failed attempt, so that a job that kills its worker is
given up in the end like one that raises. New jobs announce themselves by NOTIFY; polling is the net below.

Statements are pgqueuer's where it has them, but for the choice of the next job (`adapters.postgres.turns`). Its own
runner is not used: it cannot run one job at a time, forgets the outcome of jobs that end while Postgres restarts, does
not count attempts of killed workers, and deletes the jobs that are cancelled when it stops.
"""

import asyncio
import random
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, Protocol
from uuid import uuid4

import structlog
from attrs import frozen
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.domain.models import Job as PickedJob
from pgqueuer.domain.types import JobId, QueueEntrypoint, QueueManagerId

from adapters.postgres.engine import connect
from adapters.postgres.errors import translated
from adapters.postgres.jobs import KINDS, decode
from adapters.postgres.queue_schema import QUEUE, queries_on
from adapters.postgres.turns import Turns, pick
from application.errors import ApplicationError, Unavailable
from application.ports.jobs import AnyJob

_log = structlog.get_logger(__name__)

_STATEMENT_TIMEOUT: Final = 20.0  # seconds; a connection that is silent for longer is taken for dead
_RECONNECT_AFTER: Final = (0.2, 10.0)  # seconds: first and longest pause
_LAST_WORDS: Final = 5.0  # seconds after `stop_timeout` in which outcomes may still be written down
_TIDY_EVERY: Final = 3600.0  # seconds
_KEEP_LOG: Final = timedelta(days=7)

_PUT_BACK = f"""
    WITH again AS (
        UPDATE {QUEUE.queue_table}
        SET status = 'queued', queue_manager_id = NULL, slot = NULL, updated = now(),
            execute_after = now() + $2::interval, attempts = attempts + $3::int
        WHERE id = $1 AND status = 'picked' AND queue_manager_id = $4
        RETURNING id, entrypoint, priority
    )
    INSERT INTO {QUEUE.queue_table_log} (job_id, status, entrypoint, priority)
    SELECT id, 'queued', entrypoint, priority FROM again
"""  # noqa: S608 our own names
_RECOVER = f"""
    WITH lost AS (
        SELECT id FROM {QUEUE.queue_table}
        WHERE status = 'picked' AND heartbeat < now() - $1::interval
        FOR UPDATE SKIP LOCKED
    ), again AS (
        UPDATE {QUEUE.queue_table} AS job
        SET status = 'queued', queue_manager_id = NULL, slot = NULL, updated = now(),
            execute_after = now(), attempts = attempts + 1
        FROM lost
        WHERE job.id = lost.id
        RETURNING job.id, job.entrypoint, job.priority
    )
    INSERT INTO {QUEUE.queue_table_log} (job_id, status, entrypoint, priority)
    SELECT id, 'queued', entrypoint, priority FROM again
    RETURNING job_id
"""  # noqa: S608 our own names
_ANNOUNCE = "SELECT pg_notify($1, '')"
_TIDY = f"DELETE FROM {QUEUE.queue_table_log} WHERE created < now() - $1::interval"  # noqa: S608 our own names


class JobHandler(Protocol):
    """What the application does with jobs."""

    async def __call__(self, job: AnyJob) -> None:
        """Do it. Any error means that it is to be tried again."""
        ...

    async def give_up(self, job: AnyJob, error: Exception) -> None:
        """It failed for the last time."""
        ...


class WorkerDied(Exception):
    """Workers were killed, or lost, while they did this job, as often as it may fail."""


@frozen(kw_only=True)
class WorkerOptions:
    """How a worker treats jobs."""

    concurrency: int = 2
    max_attempts: int = 5
    first_delay: timedelta = timedelta(seconds=2)  # doubles with each failure
    longest_delay: timedelta = timedelta(minutes=2)
    # `Unavailable` says nothing about the job: it waits without being counted, as long as the patience lasts
    outage_pause: timedelta = timedelta(seconds=10)
    outage_patience: timedelta = timedelta(days=1)
    lease: timedelta = timedelta(seconds=20)
    poll: timedelta = timedelta(seconds=5)
    stop_timeout: timedelta = timedelta(seconds=20)
    keeps_sessions: bool = True  # see `EngineOptions`; without sessions no NOTIFY arrives and polling finds the jobs


@frozen(kw_only=True)
class _Outcome:
    job: PickedJob
    status: Literal["successful", "failed", "queued"]
    delay: timedelta = timedelta()
    counts: bool = False


class PostgresWorker:
    """Runs jobs until it is told to stop; survives restarts of Postgres."""

    def __init__(self, url: str, handler: JobHandler, options: WorkerOptions | None = None) -> None:
        self._url = url
        self._handler = handler
        self._options = options or WorkerOptions()
        self._id = QueueManagerId(uuid4())
        self._turns = Turns()
        self._running: dict[JobId, asyncio.Task[None]] = {}
        self._outcomes: list[_Outcome] = []
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()
        self._stop_at: float | None = None
        self._connected = False

    def stop(self) -> None:
        """Take no more jobs; `run` returns when the present ones are done, or put back after `stop_timeout`."""
        if not self._stopping.is_set():
            self._stop_at = asyncio.get_running_loop().time() + self._options.stop_timeout.total_seconds()
            self._stopping.set()
            self._wake.set()

    async def run(self) -> None:
        """Work until `stop`. Cancelled, it leaves its jobs to the other workers, who take them when the leases end."""
        first, longest = _RECONNECT_AFTER
        pause = first
        try:
            while not self._is_over():
                self._connected = False
                try:
                    await self._serve()
                except ApplicationError as error:
                    if self._connected or pause == first:  # said once an outage
                        _log.warning("worker_lost_database", reason=error.message)
                    pause = first * 2 if self._connected else min(pause * 2, longest)
                    await self._rest(pause * random.uniform(0.4, 0.6))  # noqa: S311 no secret
        finally:
            await self._cancel_jobs()

    async def _rest(self, seconds: float) -> None:
        """Wait; whoever was told to stop looks again soon, as its jobs may be over."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)
        if self._stopping.is_set():
            await asyncio.sleep(min(seconds, _RECONNECT_AFTER[0]))

    def _is_over(self) -> bool:
        """Whether it was told to stop and has nothing left to do, or no time to do it in."""
        if not self._stopping.is_set():
            return False
        return not (self._running or self._outcomes) or self._overtime(grace=_LAST_WORDS)

    def _overtime(self, *, grace: float = 0.0) -> bool:
        return self._stop_at is not None and asyncio.get_running_loop().time() > self._stop_at + grace

    async def _serve(self) -> None:
        """Work over one connection until it breaks or everything is over."""
        options: dict[str, Any] = {} if self._options.keeps_sessions else {"statement_cache_size": 0}
        with translated():
            connection = await connect(
                self._url, application_name="readingroom-worker", command_timeout=_STATEMENT_TIMEOUT, **options
            )
            try:
                connection.add_termination_listener(lambda *_: self._wake.set())
                await connection.add_listener(QUEUE.channel, lambda *_: self._wake.set())
                await self._loop(queries_on(AsyncpgDriver(connection)))
            finally:
                connection.terminate()

    async def _loop(self, queries: Queries) -> None:
        clock = asyncio.get_running_loop().time
        beat_every = self._options.lease.total_seconds() / 4
        next_beat = next_tidy = clock()
        while True:
            self._wake.clear()
            await self._report(queries)
            if self._is_over():
                return
            if self._overtime():
                await self._cancel_jobs()
                continue
            if clock() >= next_beat:
                await self._beat(queries)
                next_beat = clock() + beat_every
            if clock() >= next_tidy:
                await queries.driver.execute(_TIDY, _KEEP_LOG)
                next_tidy = clock() + _TIDY_EVERY
            pause = min(next_beat - clock(), await self._take(queries))
            if not self._connected:
                self._connected = True
                _log.info("worker_connected", concurrency=self._options.concurrency)
            if self._stop_at is not None:
                pause = min(pause, max(self._stop_at - clock(), 0.0) + 0.01)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), max(pause, 0.0))

    async def _beat(self, queries: Queries) -> None:
        """Keep our own jobs, and put back those of workers that do so no more."""
        if self._running:
            await queries.update_heartbeat(list(self._running))
        recovered = await queries.driver.fetch(_RECOVER, self._options.lease)
        if recovered:
            _log.warning("jobs_recovered", jobs=len(recovered))
            await queries.driver.execute(_ANNOUNCE, QUEUE.channel)

    async def _take(self, queries: Queries) -> float:
        """Start as many jobs as there is room for; seconds until it is worth looking again."""
        poll = self._options.poll.total_seconds()
        kinds = [QueueEntrypoint(name) for name in KINDS]
        free = self._options.concurrency - len(self._running)
        if self._stopping.is_set() or free <= 0:
            return poll
        picked = await pick(queries.driver, self._turns, kinds=kinds, worker=self._id, limit=free)
        for job in picked:
            if job.id not in self._running:  # else our own, put back while we were cut off
                self._running[job.id] = asyncio.create_task(self._run(job), name=f"job-{job.id}")
        if len(picked) == free:
            return poll
        eta = await queries.next_deferred_eta(kinds)
        return poll if eta is None else min(poll, eta.total_seconds() + 0.001)

    async def _run(self, picked: PickedJob) -> None:
        outcome = _Outcome(job=picked, status="queued")  # what stands if it is cancelled
        try:
            outcome = await self._outcome(picked)
        finally:
            del self._running[picked.id]
            self._outcomes.append(outcome)
            self._wake.set()

    async def _outcome(self, picked: PickedJob) -> _Outcome:
        try:
            job = decode(picked.entrypoint, picked.payload or b"")
        except (ValueError, TypeError) as error:
            _log.error("job_unreadable", job=picked.id, kind=picked.entrypoint, error=type(error).__name__)
            return _Outcome(job=picked, status="failed")
        try:
            if picked.attempts >= self._options.max_attempts:
                raise WorkerDied(f"{picked.attempts} attempts ended without a word")  # noqa: TRY301 handled like any other
            await self._handler(job)
        except Exception as error:  # noqa: BLE001 whatever a job raises is the job's failure
            return await self._after(error, picked, job)
        return _Outcome(job=picked, status="successful")

    async def _after(self, error: Exception, picked: PickedJob, job: AnyJob) -> _Outcome:
        """Again later, or given up."""
        facts = {"job": picked.id, "kind": picked.entrypoint, "attempt": picked.attempts + 1, "error": _name(error)}
        options = self._options
        if isinstance(error, Unavailable) and datetime.now(UTC) - picked.created < options.outage_patience:
            delay = timedelta(seconds=error.retry_after) if error.retry_after else options.outage_pause
            _log.warning("job_postponed", **facts, delay=delay.total_seconds())
            return _Outcome(job=picked, status="queued", delay=delay)
        unexpected = not isinstance(error, ApplicationError)
        if picked.attempts + 1 < options.max_attempts:
            delay = min(options.first_delay * 2**picked.attempts, options.longest_delay) * random.uniform(0.8, 1.2)  # noqa: S311
            _log.warning("job_failed", **facts, delay=delay.total_seconds(), exc_info=unexpected)
            return _Outcome(job=picked, status="queued", delay=delay, counts=True)
        _log.error("job_given_up", **facts, exc_info=unexpected)
        try:
            await self._handler.give_up(job, error)
        except Exception as broken:  # noqa: BLE001 as above
            _log.error("job_give_up_failed", **facts | {"error": _name(broken)}, exc_info=True)
            return _Outcome(job=picked, status="queued", delay=options.longest_delay)
        return _Outcome(job=picked, status="failed")

    async def _report(self, queries: Queries) -> None:
        """Write down how jobs ended; what cannot be written is kept for the next connection."""
        while self._outcomes:
            over = [outcome for outcome in self._outcomes if outcome.status != "queued"]
            if over:
                await queries.log_jobs([(outcome.job, outcome.status, None) for outcome in over])
                self._forget(over)
            for outcome in self._outcomes.copy():
                await queries.driver.execute(_PUT_BACK, outcome.job.id, outcome.delay, int(outcome.counts), self._id)
                if not outcome.delay:
                    await queries.driver.execute(_ANNOUNCE, QUEUE.channel)
                self._forget([outcome])

    def _forget(self, reported: Iterable[_Outcome]) -> None:
        done = set(map(id, reported))
        self._outcomes = [outcome for outcome in self._outcomes if id(outcome) not in done]

    async def _cancel_jobs(self) -> None:
        """End what runs; each becomes an outcome that puts the job back uncounted."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def _name(error: Exception) -> str:
    """An error as logs may show it: its message could hold a document's text."""
    return error.slug if isinstance(error, ApplicationError) else type(error).__name__
