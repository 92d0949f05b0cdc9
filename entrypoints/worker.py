"""Doing jobs in this process."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import structlog

from adapters.postgres.worker import PostgresWorker, WorkerOptions
from application.errors import ApplicationError, EmbedderUnavailable, Unavailable
from application.use_cases import UseCases
from domain.generations import Recipe
from entrypoints.host import Host
from entrypoints.indexes import wanted_recipe
from entrypoints.keeping import ending_lost_answers

TEND_EVERY: Final = 60.0  # seconds
CHANGE_EVERY: Final = 2.0  # seconds
SCHEDULE_EVERY: Final = 30  # times of these

_log = structlog.get_logger(__name__)


@asynccontextmanager
async def working(host: Host) -> AsyncIterator[None]:
    """Do jobs while the context lasts; leaving it finishes those under way, or hands them back.

    Whoever works also sees to it that the index becomes the one that the settings ask for.
    """
    settings, use_cases = host.settings, host.use_cases
    url = settings.database_url
    if url is None:
        raise LookupError("Postgres has no address")
    worker = PostgresWorker(url, use_cases.handle_job, WorkerOptions(concurrency=settings.worker_concurrency))
    jobs = asyncio.create_task(worker.run())
    beside = [asyncio.create_task(_tend(use_cases)), asyncio.create_task(_change_index(host))]
    try:
        async with ending_lost_answers(use_cases.end_lost_answers):
            yield
    finally:
        for task in beside:
            task.cancel()
        worker.stop()
        await asyncio.gather(jobs, *beside, return_exceptions=True)


async def _change_index(host: Host) -> None:
    """Say once which index is wanted, as soon as that can be told, and take every step towards it."""
    if isinstance(host.wanted, EmbedderUnavailable):
        _log.error("wanted_model_unusable", reason=host.wanted.message)
    said = False
    while True:
        started = time.monotonic()
        try:
            if not said:
                said = await _say_what_is_wanted(host)
            await host.use_cases.change_index()
        except ApplicationError as error:
            _log.warning("index_change_postponed", reason=error.slug)
        # where there is much to look through, it is looked through less often
        await asyncio.sleep(max(CHANGE_EVERY, 10 * (time.monotonic() - started)))


async def _say_what_is_wanted(host: Host) -> bool:
    """False when the model cannot be found yet; its server may have started later than we."""
    try:
        recipe = host.wanted if isinstance(host.wanted, Recipe) else await wanted_recipe(host.settings)
    except EmbedderUnavailable:
        return False
    await host.use_cases.want_index(recipe)
    return True


async def _tend(use_cases: UseCases) -> None:
    """The second net under the queue, once a minute: lost jobs, and a comparison of the stores once an hour."""
    for turn in itertools.count():
        try:
            count = await use_cases.requeue_unfinished()
            if turn % SCHEDULE_EVERY == 0:
                await use_cases.schedule_reconciling()
                await use_cases.idempotency.forget_old()
                await use_cases.forget_sessions()
                await use_cases.forget_room_events()
        except Unavailable as error:
            _log.warning("tending_postponed", reason=error.slug)
        else:
            if count:
                _log.warning("documents_requeued", count=count)
        await asyncio.sleep(TEND_EVERY)
