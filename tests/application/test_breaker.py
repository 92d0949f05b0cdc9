"""A provider that keeps failing is left alone, and tried again."""

import asyncio

import pytest

from adapters.breaker import BreakerModel
from application.errors import ModelFailed, ModelUnavailable
from application.ports.models import ModelRequest
from tests.fakes.models import FakeModel, Pause, stop, text

REQUEST = ModelRequest(question="How are you?")


async def ask(model: BreakerModel) -> int:
    async with model.stream(REQUEST) as parts:
        return len([part async for part in parts])


async def refuse(model: BreakerModel, inner: FakeModel, times: int, retry_after: float | None = None) -> None:
    for _ in range(times):
        inner.refusals.append(ModelUnavailable("Overloaded.", retry_after=retry_after))
        with pytest.raises(ModelUnavailable):
            await ask(model)


async def test_it_opens_after_failures_in_a_row_and_refuses_at_once() -> None:
    """With the seconds that are left; the provider is not asked, and readiness is told."""
    inner = FakeModel()
    model = BreakerModel(inner, failures=3, pause=30)
    await refuse(model, inner, 2)
    assert await ask(model) > 0
    await refuse(model, inner, 3)
    asked = len(inner.requests)

    for call in (ask(model), model.ping()):
        with pytest.raises(ModelUnavailable) as refused:
            await call
        assert refused.value.slug == "llm_unavailable"
        assert 29 < (refused.value.retry_after or 0) <= 30
    assert len(inner.requests) == asked


async def test_one_request_tries_and_closes_it() -> None:
    """After the pause one is let through while the others still wait; its success lets all through."""
    inner = FakeModel()
    model = BreakerModel(inner, failures=1, pause=0.05)
    await refuse(model, inner, 1)
    await asyncio.sleep(0.06)
    await refuse(model, inner, 1)
    with pytest.raises(ModelUnavailable, match="left alone"):
        await ask(model)
    await asyncio.sleep(0.06)

    results = await asyncio.gather(ask(model), ask(model), return_exceptions=True)

    assert sum(isinstance(result, int) for result in results) == 1
    assert await ask(model) > 0
    await model.ping()


async def test_the_providers_own_pause_is_kept_within_reason() -> None:
    """Longer than ours: obeyed; an hour: not."""
    inner = FakeModel()
    model = BreakerModel(inner, failures=1, pause=1)
    await refuse(model, inner, 1, retry_after=3600)

    with pytest.raises(ModelUnavailable) as refused:
        await ask(model)
    assert 299 < (refused.value.retry_after or 0) <= 300


async def test_a_request_that_is_answered_badly_does_not_count() -> None:
    """The provider is there; nor does an answer that was left, or broke off."""
    inner = FakeModel()
    model = BreakerModel(inner, failures=1)
    inner.refusals.append(ModelFailed("Too large."))
    with pytest.raises(ModelFailed):
        await ask(model)
    inner.script(text("Half"), [ModelFailed("It broke.")])
    with pytest.raises(ModelFailed):
        await ask(model)
    inner.script([Pause()])
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await ask(model)
    inner.script(text("Well."), stop())

    assert await ask(model) == 4
    assert inner.cancelled == 1
