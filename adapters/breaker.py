"""A circuit breaker around a model: when its provider keeps failing, it is left alone for a while.

The pattern is M. Nygard's (Release It!, 2nd edition, chapter 5).
"""

import asyncio
import math
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from typing import Final

import structlog

from application.errors import ModelUnavailable
from application.ports.models import AnswerModel, ModelCapabilities, ModelPart, ModelRequest

LONGEST_PAUSE: Final = 300.0  # seconds, whatever the provider asks for

log = structlog.get_logger(__name__)


class BreakerModel(AnswerModel):
    """Opens after `failures` refusals in a row, then refuses at once for `pause` seconds or as long as was asked for.

    Afterwards one request is let through: it closes the breaker, or opens it again. Only `ModelUnavailable` counts:
    a request that the provider answers, even by failing it, shows that it is there.
    """

    def __init__(self, model: AnswerModel, *, failures: int = 5, pause: float = 30.0) -> None:
        self._model = model
        self._limit = failures
        self._pause = pause
        self._failures = 0
        self._open_until: float | None = None
        self._reason = ""
        self._is_trying = False

    @property
    def capabilities(self) -> ModelCapabilities:
        """Those of the model."""
        return self._model.capabilities

    @asynccontextmanager
    async def stream(self, request: ModelRequest) -> AsyncIterator[AsyncIterator[ModelPart]]:
        """Ask, or refuse at once with the seconds that are left."""
        is_trial = self._admit()
        entered = self._model.stream(request)
        try:
            with self._counted():
                parts = await entered.__aenter__()
        finally:
            if is_trial:
                self._is_trying = False
        async with _entered(entered, parts) as stream:
            yield stream

    async def ping(self) -> None:
        """Raise while open, and when the model's own ping does."""
        left = self._left()
        if left > 0:
            raise self._refusal(left)
        await self._model.ping()

    def _admit(self) -> bool:
        """Whether this request is the one that tries; `ModelUnavailable` when it may not pass."""
        if self._open_until is None:
            return False
        left = self._left()
        if left > 0 or self._is_trying:
            raise self._refusal(max(left, 1.0))
        self._is_trying = True
        return True

    def _left(self) -> float:
        return 0.0 if self._open_until is None else self._open_until - asyncio.get_running_loop().time()

    def _refusal(self, left: float) -> ModelUnavailable:
        wait = f"It failed repeatedly and is left alone for {math.ceil(left)} seconds."
        return ModelUnavailable(f"{self._reason} {wait}", retry_after=left)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        try:
            yield
        except ModelUnavailable as error:
            self._failures += 1
            if self._failures >= self._limit or self._open_until is not None:
                pause = min(max(self._pause, error.retry_after or 0.0), LONGEST_PAUSE)
                self._open_until = asyncio.get_running_loop().time() + pause
                self._reason = error.message
                log.warning("model_breaker_open", seconds=pause, code=error.slug)
            raise
        except asyncio.CancelledError:
            raise
        except Exception:
            self._close()
            raise
        else:
            self._close()

    def _close(self) -> None:
        if self._open_until is not None:
            log.info("model_breaker_closed")
        self._failures, self._open_until = 0, None


@asynccontextmanager
async def _entered(
    context: AbstractAsyncContextManager[AsyncIterator[ModelPart]], parts: AsyncIterator[ModelPart]
) -> AsyncIterator[AsyncIterator[ModelPart]]:
    """The rest of a context that was entered already."""
    async with AsyncExitStack() as stack:
        stack.push_async_exit(context)
        yield parts
