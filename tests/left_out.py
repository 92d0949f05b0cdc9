"""Says at the end of a run what was left out and why. The engines that run by default need nothing from outside."""

import os
from typing import Final

import pytest

FROM_OUTSIDE: Final = {
    "READINGROOM_TEST_DATABASE_URL": "a PostgreSQL that somebody else runs",
    "READINGROOM_TEST_REDIS_URL": "a Redis or Valkey that somebody else runs",
    "READINGROOM_TEST_QDRANT_URL": "a Qdrant server",
}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line for each engine that is tested as embedded only; skipped tests are listed with their reasons by -ra."""
    missing = {name: what for name, what in FROM_OUTSIDE.items() if not os.environ.get(name)}
    if missing:
        terminalreporter.section("left out")
    for name, what in missing.items():
        terminalreporter.write_line(f"{what}: {name} is not set, the embedded one was used")
