"""`readingroom doctor`: is everything there, does it answer, is there room."""

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from attrs import frozen

from adapters.embedded.errors import EngineError
from application.errors import ApplicationError, EmbedderUnavailable
from application.index_changes import IndexState
from application.reconciling import Difference, Findings
from application.use_cases import UseCases
from domain.generations import Recipe
from entrypoints.cli.output import out
from entrypoints.host import open_host
from entrypoints.settings import Settings, mask_url, unknown_variables

WARM_UP: Final = 60.0  # seconds that the embedding model may take to load
LOW_DISK: Final = 2 * 1024**3  # bytes
NAMED: Final = 5  # documents


@frozen(kw_only=True)
class Check:
    """One thing that was looked at."""

    name: str
    good: bool
    detail: str

    def view(self) -> dict[str, Any]:
        """For `--json`."""
        return {"name": self.name, "good": self.good, "detail": self.detail}


async def examine(settings: Settings, *, repair: bool = False) -> list[Check]:
    """Everything in turn; an engine that cannot even be started is the last check.

    With `repair` what the stores disagree about is mended, or queued for a worker to mend.
    """
    checks = [_variables(), _disk(settings)]
    try:
        async with open_host(settings, role="doctor") as host:
            index = await host.use_cases.show_index()
            recipe = index.live.recipe
            where = {
                "postgres": mask_url(host.settings.database_url or ""),
                "redis": mask_url(host.settings.redis_url or ""),
                "qdrant": host.settings.qdrant_url or "",
                "files": str(host.settings.blob_root or host.settings.blob_url),
                "embedding": f"{recipe.name}, {recipe.dimensions} dimensions",
                "model": settings.answers_by,
            }
            for name, ping in host.container.health().items():
                wait = WARM_UP if name == "embedding" else 0.0
                checks.append(await _pinged(name, ping, where[name], patience=wait))
            checks.append(_index(index, host.wanted))
            checks += await compared(host.use_cases, repair=repair)
    except (ApplicationError, EngineError) as error:
        checks.append(Check(name="engines", good=False, detail=str(error)))
    return checks


def _index(state: IndexState, wanted: Recipe | EmbedderUnavailable) -> Check:
    """Which index is asked, how far its successor has come, and what keeps it from coming."""
    detail = told(state)
    if isinstance(wanted, EmbedderUnavailable):
        return Check(name="index", good=False, detail=f"{detail}; the wanted model cannot be used: {wanted.message}")
    if state.building is None and not state.live.recipe.gives_the_same(wanted):
        detail += f"; {wanted.name} is wanted: a worker begins with it when it starts"
    return Check(name="index", good=state.building is None or state.building.problem is None, detail=detail)


def told(state: IndexState) -> str:
    """A line about the index."""
    line = f"generation {state.live.number}, {state.live.recipe.name}"
    if state.building is not None:
        line += f"; generation {state.building.number}, {state.building.recipe.name}, is being built beside it: "
        line += f"{state.built} of {state.documents} documents"
        if state.building.problem is not None:
            line += f", and does not go on: {state.building.problem}"
    return line


async def compared(use_cases: UseCases, *, repair: bool) -> list[Check]:
    """What the stores hold, and documents that nobody works on."""
    found = await use_cases.reconcile_all(repair=repair)
    idle = await use_cases.requeue_unfinished(repair=repair)
    told = [
        f"{count} {kind.value.replace('_', ' ')}"
        for kind, count in sorted(found.differences.items())
        if kind is not Difference.MISSING_FILE
    ]
    counted = f"{found.documents} documents, {found.vectors} vectors, {found.files} files"
    remedy = " (mended, or queued to be)" if repair else "; `doctor --repair` mends what can be mended"
    return [
        Check(
            name="stores",
            good=not told,
            detail=f"{counted}: {', '.join(told)}{remedy}" if told else f"{counted}, all in agreement",
        ),
        _originals(found),
        Check(
            name="jobs",
            good=not idle,
            detail=f"{idle} unfinished documents without a job{remedy}"
            if idle
            else "every unfinished document has one",
        ),
    ]


def _originals(found: Findings) -> Check:
    """Whether each document has its file; where not, which: only people can bring it back."""
    lost = found.differences[Difference.MISSING_FILE]
    if not lost:
        return Check(name="originals", good=True, detail="every document has its own")
    some = ", ".join(str(document_id) for document_id in found.examples[Difference.MISSING_FILE][:NAMED])
    return Check(
        name="originals",
        good=False,
        detail=f"{lost} documents have lost theirs; upload them again, or delete them: {some}"
        + (" and others" if lost > NAMED else ""),
    )


async def _pinged(name: str, ping: Callable[[], Awaitable[None]], where: str, *, patience: float) -> Check:
    started = time.monotonic()
    while True:
        try:
            await ping()
        except ApplicationError as error:
            if time.monotonic() - started >= patience:
                return Check(name=name, good=False, detail=f"{error.message} ({where})")
            await asyncio.sleep(0.5)
        else:
            return Check(name=name, good=True, detail=f"{where}, {(time.monotonic() - started) * 1000:.0f} ms")


def _variables() -> Check:
    unknown = unknown_variables()
    detail = f"set but without meaning: {', '.join(unknown)}" if unknown else "all known"
    return Check(name="variables", good=not unknown, detail=detail)


def _disk(settings: Settings) -> Check:
    folder = settings.data_dir.absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    return Check(name="disk", good=free >= LOW_DISK, detail=f"{free / 1024**3:.1f} GiB free at {folder}")


def print_checks(checks: list[Check]) -> None:
    """A line for each."""
    for check in checks:
        mark = "good" if check.good else "BAD "
        out.print(f"{mark}  {check.name:<10} {check.detail}", markup=False)
