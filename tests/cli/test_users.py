"""`readingroom users` where nobody can be asked."""

from typer.testing import CliRunner

from entrypoints.cli.app import app
from entrypoints.cli.output import WRONG_USE


def test_without_a_terminal_nobody_is_asked_for_a_password() -> None:
    """One line says how to give it, and nothing is started."""
    done = CliRunner().invoke(app, ["users", "create", "ada@example.org"], input="")

    assert WRONG_USE == done.exit_code
    assert "`--password -`" in done.output
    assert 1 == done.output.count("\n")
