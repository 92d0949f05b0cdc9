"""What is taken while folders are watched."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from attrs import define, field

from entrypoints.cli.ingest import files_under
from entrypoints.cli.watching import Stamp, stamps, watch


@define
class Watched:
    """A folder under watch, looked at whenever a test says so."""

    folder: Path
    taken: list[list[str]] = field(factory=list)
    looks: int = 0

    def look(self) -> dict[Path, Stamp]:
        self.looks += 1
        return stamps(files_under([self.folder], recursive=True, tell=False))

    async def take(self, paths: Sequence[Path]) -> None:
        self.taken.append([path.name for path in paths])

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        known = stamps(files_under([self.folder], recursive=True, tell=False))
        task = asyncio.create_task(watch(self.look, self.take, known=known, every=0.01))
        yield
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    async def several_looks(self) -> None:
        """Until it has looked a few times more."""
        wanted = self.looks + 4
        async with asyncio.timeout(5):
            while self.looks < wanted:  # noqa: ASYNC110 it looks in a thread
                await asyncio.sleep(0.005)


async def test_new_and_changed_files_are_taken_once(tmp_path: Path) -> None:
    """What was there before is not; what comes or changes is, each time; what goes is forgotten."""
    (tmp_path / "old.txt").write_text("old")
    watched = Watched(tmp_path)
    async with watched.running():
        await watched.several_looks()
        (tmp_path / "new.txt").write_text("new")
        await watched.several_looks()
        (tmp_path / "old.txt").write_text("changed")
        await watched.several_looks()
        (tmp_path / "new.txt").unlink()
        await watched.several_looks()

    assert watched.taken == [["new.txt"], ["old.txt"]]


async def test_a_file_being_written_waits(tmp_path: Path) -> None:
    """It is taken when it stays the same from one look to the next, and not before."""
    growing: dict[Path, Stamp] = {}
    taken: list[int] = []

    def look() -> dict[Path, Stamp]:
        size = growing.get(tmp_path, (0, 0))[1]
        growing[tmp_path] = (size + 1, min(size + 1, 5)) if size < 5 else growing[tmp_path]
        return dict(growing)

    async def take(_paths: Sequence[Path]) -> None:
        taken.append(growing[tmp_path][1])

    task = asyncio.create_task(watch(look, take, known={}, every=0.005))
    async with asyncio.timeout(5):
        while not taken:  # noqa: ASYNC110 it looks in a thread
            await asyncio.sleep(0.005)
    task.cancel()

    assert taken == [5]
