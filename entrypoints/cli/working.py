"""Commands on an installation: in this process, with a worker while it lasts, or on a running server."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
from attrs import frozen

from entrypoints.cli.backends import Backend, LocalBackend, ServerBackend
from entrypoints.cli.ingest import Outcome, ingest
from entrypoints.cli.output import note
from entrypoints.cli.watching import Stamp, watch
from entrypoints.host import Host, open_host
from entrypoints.settings import SERVER_KEY, Settings, SettingsError
from entrypoints.worker import working


async def run_worker_until_stopped(settings: Settings) -> None:
    """Do jobs until Ctrl-C or SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    async with open_host(settings, role="worker") as host, working(host):
        note("Working; Ctrl-C stops.")
        await stop.wait()


@frozen(kw_only=True)
class Follow:
    """How to watch folders: what lies in them now, and where to say what became of it."""

    look: Callable[[], Mapping[Path, Stamp]]
    tell: Callable[[Sequence[Outcome]], None]


@asynccontextmanager
async def backend(
    settings: Settings, *, server: str | None, workspace: str | None, role: str, with_worker: bool = False
) -> AsyncIterator[Backend]:
    """Where a command's documents go and its answers come from.

    `server`, or the use cases in this process; these `with_worker` also do jobs here while the context lasts,
    whoever else does them.
    """
    async with AsyncExitStack() as stack:
        if server is not None:
            yield await _connected(stack, server, workspace)
            return
        host = await stack.enter_async_context(open_host(settings, role=role))
        if with_worker:
            await stack.enter_async_context(working(host))
        yield await _acting_locally(host, workspace)


async def _connected(stack: AsyncExitStack, server: str, workspace: str | None) -> ServerBackend:
    key = os.environ.get(SERVER_KEY)
    if not key:
        raise SettingsError([f"{SERVER_KEY}: needed with --server; accepted: an API key or access token"])
    client = httpx.AsyncClient(
        base_url=server, headers={"Authorization": f"Bearer {key}"}, timeout=httpx.Timeout(30, write=600)
    )
    return await ServerBackend.connect(await stack.enter_async_context(client), workspace=workspace)


async def _acting_locally(host: Host, workspace: str | None) -> LocalBackend:
    """As the owner of the workspace that is meant."""
    local = await host.use_cases.act_locally(workspace=workspace)
    if local.chosen_among > 1 and workspace is None:
        note(f"Working in {local.workspace.name} (one of {local.chosen_among} workspaces; choose with --workspace).")
    return LocalBackend(use_cases=host.use_cases, actor=local.actor)


async def ingest_files(
    settings: Settings,
    files: Sequence[Path],
    *,
    collection: str | None,
    server: str | None,
    workspace: str | None,
    quiet: bool,
    at_once: int,
    follow: Follow | None = None,
) -> list[Outcome]:
    """Ingest and wait until each file is ready or failed; then go on with what `follow` sees, until interrupted."""
    known = {} if follow is None else await asyncio.to_thread(follow.look)
    async with backend(settings, server=server, workspace=workspace, role="ingest", with_worker=True) as behind:

        async def take(paths: Sequence[Path]) -> list[Outcome]:
            return await ingest(behind, paths, collection=collection, quiet=quiet, at_once=at_once)

        async def take_more(paths: Sequence[Path]) -> None:
            if follow is not None:
                follow.tell(await take(paths))

        outcomes = await take(files)
        if follow is not None:
            follow.tell(outcomes)
            note("Watching for new and changed files; Ctrl-C stops.")
            await watch(follow.look, take_more, known=known)
        return outcomes
