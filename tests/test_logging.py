"""What gets into a log, and what never does."""

import subprocess
import sys

import pytest

PROGRAM = """
import structlog
from entrypoints.logging import configure_logging

configure_logging(log_format={log_format!r}, level="info")

def work(typed):
    local = "HIDDEN" + "VALUE"
    raise LookupError("what went wrong")

try:
    work("HIDDEN" + "VALUE")
except LookupError:
    structlog.get_logger("ours").exception("broke", access_token="HIDDEN" + "VALUE", tokens=7)
"""


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_traces_are_plain_and_secrets_masked(log_format: str) -> None:
    """A trace names lines of the program, never the values of its variables; a fact named like a secret is masked."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(log_format=log_format)], capture_output=True, text=True, check=True
    )

    assert "LookupError: what went wrong" in done.stderr
    assert "HIDDENVALUE" not in done.stderr
    assert "********" in done.stderr
    assert not done.stdout
