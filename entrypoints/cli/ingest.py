"""`readingroom ingest`: files and folders in, with a bar each, and a summary of what failed and why."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Self

from attrs import define, field, frozen
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from application.errors import ApplicationError
from domain.errors import DomainError
from entrypoints.cli.backends import Backend
from entrypoints.cli.output import err, note, out
from entrypoints.cli.sources import shown

AT_ONCE: Final = 4  # files handed over and waited for at the same time
POLL: Final = 0.25  # seconds between two looks at a document


@frozen(kw_only=True)
class Outcome:
    """What became of one file."""

    path: Path
    result: str  # "ready", "unchanged" or "failed"
    code: str | None = None
    message: str | None = None
    document_id: str | None = None
    pages: int | None = None
    chunks: int | None = None

    @property
    def name(self) -> str:
        """To print."""
        return shown(Path(self.path.name))

    def view(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "path": shown(self.path),
            "result": self.result,
            "error": None if self.code is None else {"code": self.code, "message": self.message},
            "document_id": self.document_id,
            "page_count": self.pages,
            "chunk_count": self.chunks,
        }


def files_under(paths: Sequence[Path], *, recursive: bool, tell: bool = True) -> Iterator[Path]:
    """The files that are meant, sorted, each once; hidden ones only when named. `tell` of what is left out."""
    seen: set[Path] = set()
    for path in paths:
        if path.is_dir():
            found = sorted(path.rglob("*") if recursive else path.iterdir())
            hidden = {p for p in found if any(part.startswith(".") for part in p.relative_to(path).parts)}
            candidates = [p for p in found if p.is_file() and p not in hidden]
            folders = sum(p.is_dir() and p not in hidden for p in found)
            if folders and not recursive and tell:
                note(f"{path}: {folders} folders inside were left out; add --recursive to take them too.")
        else:
            candidates = [path]
        for candidate in candidates:
            resolved = candidate.resolve()
            if resolved not in seen:
                seen.add(resolved)
                yield resolved


@define
class Bars:
    """A bar for the whole and one for each file under way; on a pipe, a line for each finished file."""

    total: int
    quiet: bool = False
    _progress: Progress = field(init=False)
    _whole: TaskID = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description}", table_column=None),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} % {task.fields[stage]}"),
            TimeElapsedColumn(),
            console=err,
            transient=True,
            disable=self.quiet or not err.is_terminal,
        )
        self._whole = self._progress.add_task("all files", total=self.total, stage="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def begin(self, path: Path) -> TaskID:
        """A file is taken up."""
        return self._progress.add_task(_short(shown(Path(path.name))), total=1.0, stage="uploading")

    def advance(self, task: TaskID, progress: float, stage: str) -> None:
        """It has come this far (0..1)."""
        self._progress.update(task, completed=progress, stage=stage)

    def end(self, task: TaskID, outcome: Outcome) -> None:
        """It is done."""
        self._progress.remove_task(task)
        self._progress.advance(self._whole)
        if not self.quiet:
            line = f"{outcome.result:>9}  {outcome.name}"
            err.print(line + (f"  {outcome.code}: {outcome.message}" if outcome.code else ""), markup=False)


async def ingest(
    backend: Backend, paths: Sequence[Path], *, collection: str | None, quiet: bool = False, at_once: int = AT_ONCE
) -> list[Outcome]:
    """Hand every file over and wait until each is ready or failed, a few at a time, in the order given."""
    collection_id = None if collection is None else await backend.collection(collection, create=True)
    free = asyncio.Semaphore(at_once)
    with Bars(total=len(paths), quiet=quiet) as bars:

        async def one(path: Path) -> Outcome:
            async with free:
                task = bars.begin(path)
                outcome = await _ingest_one(backend, path, collection_id, bars, task)
                bars.end(task, outcome)
                return outcome

        return list(await asyncio.gather(*(one(path) for path in paths)))


async def _ingest_one(backend: Backend, path: Path, collection_id: str | None, bars: Bars, task: TaskID) -> Outcome:
    try:
        uploaded = await backend.upload(path, collection_id=collection_id)
        document = uploaded.document
        unchanged = not uploaded.changed and document["status"] == "ready"
        while document["status"] not in {"ready", "failed"}:
            bars.advance(task, document["progress"], document["stage"] or document["status"])
            await asyncio.sleep(POLL)
            document = await backend.document(document["id"])
    except (ApplicationError, DomainError) as error:
        return Outcome(path=path, result="failed", code=error.slug, message=error.message)
    except OSError as error:
        return Outcome(path=path, result="failed", code="unreadable", message=error.strerror or str(error))
    problem = document["error"] or {"code": None, "message": None}
    return Outcome(
        path=path,
        result="unchanged" if unchanged else document["status"],
        code=problem["code"],
        message=problem["message"],
        document_id=document["id"],
        pages=document["page_count"],
        chunks=document["chunk_count"],
    )


def print_summary(outcomes: Sequence[Outcome], seconds: float) -> None:
    """How many became what, and a table of the failures."""
    failed = [outcome for outcome in outcomes if outcome.result == "failed"]
    ready = [outcome for outcome in outcomes if outcome.result == "ready"]
    unchanged = sum(outcome.result == "unchanged" for outcome in outcomes)
    pages = sum(outcome.pages or 0 for outcome in ready)
    chunks = sum(outcome.chunks or 0 for outcome in ready)
    out.print(
        f"{len(ready)} ready, {unchanged} unchanged, {len(failed)} failed"
        f" ({pages} pages, {chunks} passages, {seconds:.1f} s)"
    )
    if failed:
        table = Table(title="Failed", title_justify="left")
        table.add_column("file", overflow="fold")
        table.add_column("why", no_wrap=True)
        table.add_column("what to do")
        for outcome in failed:
            table.add_row(outcome.name, outcome.code or "", outcome.message or "")
        out.print(table)


def _short(name: str, length: int = 40) -> str:
    return name if len(name) <= length else name[: length - 1] + "…"
