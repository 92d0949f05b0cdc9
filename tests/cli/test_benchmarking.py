"""`readingroom bench` in a checkout, and where there is none."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from entrypoints.cli.app import app

CHECKOUT = Path(__file__).parents[2]


def test_without_a_checkout_it_says_what_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    result = CliRunner().invoke(app, ["bench"])

    assert result.exit_code == 2
    assert "run this in a checkout of the source" in result.stderr


def test_in_a_checkout_the_benchmarks_get_the_names(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """One that there is none of: their own refusal, with its exit code."""
    monkeypatch.chdir(CHECKOUT)

    result = CliRunner().invoke(app, ["bench", "nonsense"])

    assert result.exit_code == 2
    assert "unknown: nonsense; there are startup, search" in capfd.readouterr().err
