"""What the doctor says of stores that disagree."""

from pathlib import Path

from entrypoints.cli.doctor import compared
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
