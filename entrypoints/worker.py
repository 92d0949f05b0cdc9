"""Doing jobs in this process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import structlog

from adapters.postgres.worker import PostgresWorker, WorkerOptions
from application.errors import Unavailable
from application.idempotency import Idempotency
from application.maintenance import RequeueUnfinished
from entrypoints.container import Container

REQUEUE_EVERY: Final = 60.0  # seconds
FORGET_EVERY: Final = 3600.0  # seconds

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
    net = asyncio.create_task(_requeue(use_cases.requeue_unfinished))
    broom = asyncio.create_task(_forget(use_cases.idempotency))
    try:
        yield
    finally:
        net.cancel()
        broom.cancel()
        worker.stop()
        await asyncio.gather(jobs, net, broom, return_exceptions=True)


async def _requeue(requeue: RequeueUnfinished) -> None:
    """The second net under the queue, once a minute."""
    while True:
        try:
            count = await requeue()
        except Unavailable as error:
            _log.warning("requeue_postponed", reason=error.slug)
        else:
            if count:
                _log.warning("documents_requeued", count=count)
        await asyncio.sleep(REQUEUE_EVERY)


async def _forget(idempotency: Idempotency) -> None:
    """Drop idempotency keys whose day is over, once an hour."""
    while True:
        try:
            await idempotency.forget_old()
        except Unavailable as error:
            _log.warning("forgetting_postponed", reason=error.slug)
        await asyncio.sleep(FORGET_EVERY)
