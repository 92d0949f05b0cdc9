"""`readingroom serve`: engines, API processes and the ingestion worker under one parent.

The parent opens the socket, owns the engines, restarts what dies, and on Ctrl-C or SIGTERM stops everything in order:
first the API, then the worker, then the engines. On SIGHUP it puts new API processes in the place of the old ones, one
after the other, and nobody who comes meanwhile waits.
"""

import asyncio
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

from attrs import evolve

from adapters.embedded.engines import EmbeddedEngines
from adapters.embedded.errors import EngineFailed
from adapters.embedded.supervisor import ChildSpec, Supervisor
from adapters.files.local import LocalFiles
from application.errors import ApplicationError
from entrypoints import api_process, peers, worker_process
from entrypoints.api_processes import ApiProcesses, on_hangup
from entrypoints.cli.output import err
from entrypoints.engines import Stance, environment_of, open_engines
from entrypoints.settings import Settings

STOP_TIMEOUT = 25.0  # seconds a child has to finish or hand over what it does


class CannotListen(ApplicationError):
    """The address is taken or not ours; the message says which."""

    code = "cannot_listen"


def listen(host: str, port: int) -> socket.socket:
    """A listening socket that children inherit."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        address = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)[0][4]
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # inherited by connections: else the body of a small answer waits 40 ms for the client to acknowledge its head
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.bind(address)
    except OSError as error:
        raise CannotListen(
            f"Cannot listen on {host}:{port}: {error.strerror or error}. Choose another with --port."
        ) from error
    sock.listen(2048)
    sock.setblocking(False)
    sock.set_inheritable(True)
    return sock


async def serve(settings: Settings, *, workers: int, with_worker: bool) -> None:
    """Run until told to stop. Raises `CannotListen`, and what opening engines raises."""
    stop, renew = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    on_hangup(renew=renew.set, stop=stop.set)
    sock = listen(settings.host, settings.port)
    folder = tempfile.TemporaryDirectory(prefix="rr-", ignore_cleanup_errors=True)  # short: sockets' paths are limited
    children = Supervisor()
    processes = ApiProcesses(
        children, lambda name: api_child(settings, sock, name=name, folder=Path(folder.name), tells_all=workers > 1)
    )

    async def start_children() -> None:
        # They load their libraries while the engines start, and wait for these.
        await processes.start(workers)

    try:
        async with children, open_engines(settings, role="serve", stance=Stance.OWNER, owned=start_children) as engines:
            try:
                if settings.blob_root is not None:
                    await LocalFiles(settings.blob_root).sweep()  # what uploads left that a crash cut off
                if await _before(stop, engines, children, processes.wait_ready()):
                    if with_worker:  # after those that somebody waits for
                        await children.start(worker_child(settings), wait=False)
                    announce(settings, engines, port=sock.getsockname()[1], with_worker=with_worker)
                    while await _before(stop, engines, children, renew.wait()):
                        renew.clear()
                        await _before(stop, engines, children, processes.replace())
                err.print("Stopping …", style="dim")
            finally:
                await children.stop()  # before the engines that they use
    finally:
        sock.close()
        folder.cleanup()


async def _before(stop: asyncio.Event, engines: EmbeddedEngines, children: Supervisor, goal: Awaitable[Any]) -> bool:
    """Wait for `goal`; False when told to stop before. Raises `EngineFailed` when a process does not stay up."""
    reached = asyncio.ensure_future(goal)
    waits = [
        reached,
        asyncio.ensure_future(stop.wait()),
        asyncio.ensure_future(engines.wait_failed()),
        asyncio.ensure_future(children.wait_failed()),
    ]
    try:
        done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if isinstance(failure := task.result(), EngineFailed):
                raise failure
        return reached in done
    finally:
        for task in waits:
            task.cancel()


def api_child(
    settings: Settings, sock: socket.socket, *, name: str, folder: Path, tells_all: bool = False
) -> ChildSpec:
    """An API process on the shared socket, ready when this one answers, on a socket of its own in that folder."""

    async def ready() -> bool:
        return bool(await peers.ask(folder / name))

    return evolve(
        python_child(
            name,
            api_process.__name__,
            "--fd",
            str(sock.fileno()),
            *("--name", name, "--peers", str(folder)),
            *(("--tells-all",) if tells_all else ()),
            settings=settings,
        ),
        ready=ready,
        pass_fds=(sock.fileno(),),
    )


def worker_child(settings: Settings) -> ChildSpec:
    """The ingestion worker."""
    return python_child("worker", worker_process.__name__, settings=settings)


def python_child(name: str, module: str, *arguments: str, settings: Settings) -> ChildSpec:
    """A module of ours as a process that has exactly our settings and finds what we find."""
    return ChildSpec(
        name=name,
        argv=(sys.executable, "-m", module, *arguments),
        env={**environment_of(settings), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stop_timeout=STOP_TIMEOUT,
        orphan_signal=signal.SIGTERM,
    )


def announce(settings: Settings, engines: EmbeddedEngines, *, port: int, with_worker: bool) -> None:
    """Say where it listens, where the data is, and who answers."""
    shown = f"[{settings.host}]" if ":" in settings.host else settings.host
    embedded = ", ".join(sorted(engines.addresses.engines())) or "none"
    lines = [
        f"Reading Room listens on http://{shown}:{port}  (interface: /docs, page: /)",
        f"  data      {settings.data_dir.absolute()}  (embedded: {embedded})",
        f"  answers   {settings.answers_by}",
        f"  ingestion {'in a worker process' if with_worker else 'by other workers (--no-worker)'}",
        "Ctrl-C stops everything.",
    ]
    for line in lines:
        err.print(line, markup=False)
