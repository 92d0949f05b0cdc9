"""What `readingroom config` shows."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from entrypoints.cli.app import app


def test_config_shows_what_is_effective(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an unset variable what it means here; of a URL that is refused neither its password nor nothing."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("READINGROOM_DATA_DIR", "data")
    embedded = json.loads(CliRunner().invoke(app, ["config", "--json"]).stdout)
    monkeypatch.setenv("READINGROOM_DATABASE_URL", "postgresql://reader:geheim@db/reading")
    outside = CliRunner().invoke(app, ["config", "--json"]).stdout
    monkeypatch.setenv("READINGROOM_DATABASE_URL", "mysql://reader:geheim@db/reading")
    refused = CliRunner().invoke(app, ["config"])

    assert embedded["READINGROOM_REGISTRATION"] == "open"
    assert embedded["READINGROOM_BLOB_URL"] == (tmp_path / "data" / "blobs").as_uri()
    assert json.loads(outside)["READINGROOM_REGISTRATION"] == "invite"
    assert refused.exit_code == 2
    assert refused.stderr.startswith("READINGROOM_DATABASE_URL: the value is not accepted; accepted: a URL that starts")
    assert "geheim" not in outside + refused.output + refused.stderr
