"""Wrong use of a command is one line and exit code 2, before any engine is started."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from entrypoints.cli.app import app


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (("migrate", "--to", "nonsense"), "--to: there is no revision 'nonsense'"),
        (("ask", "Why?", "--conversation", "nonsense"), "Invalid value for '--conversation'"),
    ],
)
def test_a_name_that_cannot_be_right_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: tuple[str, ...], told: str
) -> None:
    """It names the option, and leaves no data directory behind."""
    folder = tmp_path / "data"
    monkeypatch.setenv("READINGROOM_DATA_DIR", str(folder))

    result = CliRunner().invoke(app, call)

    assert result.exit_code == 2
    assert told in result.stderr
    assert not folder.exists()
