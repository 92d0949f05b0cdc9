"""What every process that serves or works does beside that: end the answers of processes that died."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from application.errors import ApplicationError
from application.lost_answers import LOOK_EVERY, EndLostAnswers

_log = structlog.get_logger(__name__)


@asynccontextmanager
async def ending_lost_answers(end: EndLostAnswers) -> AsyncIterator[None]:
    """Look every two seconds while the context lasts."""
    looking = asyncio.create_task(_look(end))
    try:
        yield
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


async def _look(end: EndLostAnswers) -> None:
    while True:
        try:
            await end()
        except ApplicationError as error:
            _log.warning("lost_answers_not_looked_for", reason=error.slug)
        await asyncio.sleep(LOOK_EVERY)
