"""What the doctor says of stores that disagree, and of variables."""

import os
from pathlib import Path

import pytest

from entrypoints.cli.doctor import compared
from entrypoints.settings import PREFIX, unknown_variables
from tests.application.conftest import member, upload
from tests.fakes.assembly import Assembly


async def test_a_lost_original_is_named_and_never_called_mended(tmp_path: Path) -> None:
    """The rest agrees; only people can bring it back."""
    assembly = Assembly(root=tmp_path)
    ann = await member(assembly, "ann@example.org")
    document = await upload(assembly, ann, "A heron.", "heron.txt")
    whole = await compared(assembly.use_cases, repair=False)
    (tmp_path / document.file_key).unlink()

    for repair in (False, True):
        told = {check.name: check for check in await compared(assembly.use_cases, repair=repair)}

        assert [name for name, check in told.items() if not check.good] == ["originals"]
        assert str(document.id) in told["originals"].detail
        assert "mended" not in told["originals"].detail
    assert all(check.good for check in whole)


def test_only_variables_that_nobody_reads_are_misspelt(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key for `--server` is no setting, and means something all the same."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("READINGROOM_API_KEY", "rrk_1")
    monkeypatch.setenv("READINGROOM_LOG_LEVEL", "error")
    assert unknown_variables() == []

    monkeypatch.setenv("READINGROOM_LOG_LEVLE", "error")
    assert unknown_variables() == ["READINGROOM_LOG_LEVLE"]
