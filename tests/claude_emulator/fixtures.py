"""The emulator for tests: one server a session, an API key of its own for every test."""

from collections.abc import AsyncIterator, Iterator
from itertools import count

import pytest
import pytest_asyncio

from tests.claude_emulator.server import ClaudeEmulator

_keys = count(1)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def claude_emulator() -> AsyncIterator[ClaudeEmulator]:
    """Listens on a free port of loopback."""
    emulator = ClaudeEmulator()
    await emulator.start()
    yield emulator
    await emulator.stop()


@pytest.fixture
def claude_key(claude_emulator: ClaudeEmulator) -> Iterator[str]:
    """An API key that nobody else uses, so that scripts and records are this test's own."""
    key = f"test-key-{next(_keys)}"
    yield key
    claude_emulator.reset(key)
