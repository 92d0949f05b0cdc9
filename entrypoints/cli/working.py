"""Commands that also do the jobs: `worker`, and `ingest` while it waits for its files."""

import asyncio
import signal
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from entrypoints.cli.ingest import Outcome, ingest
from entrypoints.cli.running import backend, local_backend
from entrypoints.host import open_host
from entrypoints.settings import Settings
from entrypoints.worker import working


async def run_worker_until_stopped(settings: Settings) -> None:
    """Do jobs until Ctrl-C or SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with open_host(settings, role="worker", attach=True) as host, working(host.container):
        await stop.wait()


async def ingest_with_worker(
    settings: Settings,
    files: Sequence[Path],
    *,
    collection: str | None,
    server: str | None,
    workspace: str | None,
    quiet: bool,
) -> list[Outcome]:
    """Ingest; without a server, this process does jobs too while it waits, whoever else does them."""
    async with AsyncExitStack() as stack:
        if server is not None:
            behind = await stack.enter_async_context(
                backend(settings, server=server, workspace=workspace, role="ingest")
            )
        else:
            host = await stack.enter_async_context(open_host(settings, role="ingest", attach=True))
            behind = await local_backend(host, workspace)
            await stack.enter_async_context(working(host.container))
        return await ingest(behind, files, collection=collection, quiet=quiet)
