"""What `--help` shows."""

import pytest
from typer.testing import CliRunner

from entrypoints.cli.app import app


@pytest.mark.parametrize("group", [(), ("users",)])
def test_summaries_are_whole(group: tuple[str, ...]) -> None:
    """A summary that is too long for a line goes on in the next one; none is cut."""
    shown = CliRunner().invoke(app, [*group, "--help"])

    assert shown.exit_code == 0
    commands = shown.stdout.partition("Commands:\n")[2]
    assert commands.strip().endswith(".")
    assert "..." not in commands
