"""Doing jobs in this process."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import structlog

from adapters.postgres.worker import PostgresWorker, WorkerOptions
from application.errors import Unavailable
from application.use_cases import UseCases
from entrypoints.container import Container
from entrypoints.keeping import ending_lost_answers

TEND_EVERY: Final = 60.0  # seconds
SCHEDULE_EVERY: Final = 30  # times of these

_log = structlog.get_logger(__name__)


@asynccontextmanager
async def working(container: Container) -> AsyncIterator[None]:
    """Do jobs while the context lasts; leaving it finishes those under way, or hands them back."""
    settings, use_cases = container.settings(), container.use_cases()
    url = settings.database_url
    if url is None:
        raise LookupError("Postgres has no address")
    worker = PostgresWorker(url, use_cases.handle_job, WorkerOptions(concurrency=settings.worker_concurrency))
    jobs = asyncio.create_task(worker.run())
    net = asyncio.create_task(_tend(use_cases))
    try:
        async with ending_lost_answers(use_cases.end_lost_answers):
            yield
    finally:
        net.cancel()
        worker.stop()
        await asyncio.gather(jobs, net, return_exceptions=True)


async def _tend(use_cases: UseCases) -> None:
    """The second net under the queue, once a minute: lost jobs, and a comparison of the stores once an hour."""
    for turn in itertools.count():
        try:
            count = await use_cases.requeue_unfinished()
            if turn % SCHEDULE_EVERY == 0:
                await use_cases.schedule_reconciling()
                await use_cases.idempotency.forget_old()
                await use_cases.forget_room_events()
        except Unavailable as error:
            _log.warning("tending_postponed", reason=error.slug)
        else:
            if count:
                _log.warning("documents_requeued", count=count)
        await asyncio.sleep(TEND_EVERY)
