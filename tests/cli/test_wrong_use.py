"""Wrong use of a command is one line and exit code 2, before any engine is started."""

import os
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


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    """A pipe that nobody writes into would hold the command for ever."""
    os.mkfifo(tmp_path / "pipe")

    result = CliRunner().invoke(app, ("ingest", str(tmp_path / "pipe"), str(tmp_path / "missing")))

    assert result.exit_code == 2
    assert "pipe: neither a file nor a folder" in result.stderr
    assert "missing: no such file or folder" in result.stderr
