"""Models behind the emulator."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from adapters.claude.model import CitationsMode, ClaudeModel
from tests.claude_emulator.server import ClaudeEmulator


@pytest_asyncio.fixture(params=list(CitationsMode))
async def either(
    request: pytest.FixtureRequest, claude_emulator: ClaudeEmulator, claude_key: str
) -> AsyncIterator[ClaudeModel]:
    model = ClaudeModel(
        api_key=claude_key, model="claude-sonnet-5-5", base_url=claude_emulator.url, citations=request.param
    )
    yield model
    await model.close()


@pytest_asyncio.fixture
async def native(claude_emulator: ClaudeEmulator, claude_key: str) -> AsyncIterator[ClaudeModel]:
    model = ClaudeModel(api_key=claude_key, model="claude-sonnet-5-5", base_url=claude_emulator.url)
    yield model
    await model.close()


@pytest_asyncio.fixture
async def inline(claude_emulator: ClaudeEmulator, claude_key: str) -> AsyncIterator[ClaudeModel]:
    model = ClaudeModel(
        api_key=claude_key,
        model="claude-sonnet-5-5",
        base_url=claude_emulator.url,
        citations=CitationsMode.INLINE,
    )
    yield model
    await model.close()
