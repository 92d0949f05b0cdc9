"""The job queue in memory, and a worker that empties it."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from attrs import define, field

from application.ports.jobs import AnyJob, DescribeDocument, EraseDeleted, EraseWorkspace
from tests.fakes.database import FakeDatabase, FakeTransaction, QueuedJob


class FakeJobQueue:
    """Jobs join the database's list when their transaction commits."""

    def __init__(self, transaction: FakeTransaction) -> None:
        self._transaction = transaction

    async def enqueue(self, jobs: Sequence[AnyJob], *, delay: timedelta | None = None) -> None:
        """A job equal to one still waiting is dropped, except what must follow each change."""
        self._transaction.database.check()
        for job in jobs:
            waiting = [queued.job for queued in (*self._transaction.database.jobs, *self._transaction.jobs)]
            if job not in waiting or isinstance(job, DescribeDocument | EraseDeleted | EraseWorkspace):
                self._transaction.jobs.append(QueuedJob(job, delay.total_seconds() if delay else 0.0))


@define
class MemoryWorker:
    """Runs committed jobs through a handler, those that follow included; delays are not waited for."""

    database: FakeDatabase
    handle: Callable[[AnyJob], Awaitable[None]]
    give_up: Callable[[AnyJob, Exception], Awaitable[None]] | None = None
    max_attempts: int = 1
    done: list[AnyJob] = field(factory=list)
    failed: list[tuple[AnyJob, Exception]] = field(factory=list)

    async def drain(self, limit: int = 1000) -> list[AnyJob]:
        """Until nothing waits; what was done, in order. `limit` ends what would feed itself for ever."""
        before = len(self.done)
        while self.database.jobs:
            if len(self.done) + len(self.failed) - before > limit:
                raise AssertionError("the jobs do not come to an end")
            await self._run(self.database.jobs.pop(0).job)
        return self.done[before:]

    async def _run(self, job: AnyJob) -> None:
        for attempt in range(1, self.max_attempts + 1):
            try:
                await self.handle(job)
            except Exception as error:
                if attempt == self.max_attempts:
                    if self.give_up is None:
                        raise
                    self.failed.append((job, error))
                    await self.give_up(job, error)
            else:
                self.done.append(job)
                return
