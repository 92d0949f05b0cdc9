"""`readingroom serve`: engines, API processes and the ingestion worker under one parent.

The parent opens the socket, owns the engines, restarts what dies, and on Ctrl-C or SIGTERM stops everything in order:
first the API, then the worker, then the engines.
"""

import asyncio
import os
import signal
import socket
import sys

import httpx
from attrs import evolve

from adapters.embedded.errors import EngineFailed
from adapters.embedded.supervisor import ChildSpec, Supervisor
from entrypoints import api_process, worker_process
from entrypoints.cli.output import err
from entrypoints.host import Host, environment_of, open_host
from entrypoints.settings import Settings

STOP_TIMEOUT = 25.0  # seconds a child has to finish or hand over what it does


class CannotListen(Exception):
    """The address is taken or not ours; the message says which."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket that children inherit."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        address = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)[0][4]
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
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
    """Run until told to stop. Raises `CannotListen`, and what `open_host` raises."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(name, stop.set)
    sock = listen(settings.host, settings.port)
    try:
        async with open_host(settings, role="serve", attach=False) as host, Supervisor() as supervisor:
            if with_worker:
                await supervisor.start(worker_child(host))
            port = sock.getsockname()[1]
            for number in range(workers):
                await supervisor.start(api_child(host, sock, name=f"api-{number + 1}"))
            announce(settings, host, port=port, with_worker=with_worker)
            await _until_over(stop, host, supervisor)
            err.print("Stopping …", style="dim")
    finally:
        sock.close()


async def _until_over(stop: asyncio.Event, host: Host, supervisor: Supervisor) -> None:
    """Wait for a signal, or for a child that does not stay up."""
    waits = {
        asyncio.ensure_future(stop.wait()),
        asyncio.ensure_future(host.engines.wait_failed()),
        asyncio.ensure_future(supervisor.wait_failed()),
    }
    try:
        done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if isinstance(failure := task.result(), EngineFailed):
                raise failure
    finally:
        for task in waits:
            task.cancel()


def api_child(host: Host, sock: socket.socket, *, name: str) -> ChildSpec:
    """An API process on the shared socket, ready when it answers."""
    address, port = sock.getsockname()[:2]
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)
    url = f"http://[{reachable}]:{port}/healthz" if ":" in reachable else f"http://{reachable}:{port}/healthz"

    async def ready() -> bool:
        try:
            async with httpx.AsyncClient(timeout=1.0, trust_env=False) as client:
                return (await client.get(url)).is_success
        except httpx.HTTPError:
            return False

    return evolve(
        python_child(name, api_process.__name__, "--fd", str(sock.fileno()), host=host),
        ready=ready,
        pass_fds=(sock.fileno(),),
    )


def worker_child(host: Host) -> ChildSpec:
    """The ingestion worker."""
    return python_child("worker", worker_process.__name__, host=host)


def python_child(name: str, module: str, *arguments: str, host: Host) -> ChildSpec:
    """A module of ours as a process that has exactly our settings and finds what we find."""
    return ChildSpec(
        name=name,
        argv=(sys.executable, "-m", module, *arguments),
        env={**environment_of(host.settings), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stop_timeout=STOP_TIMEOUT,
        orphan_signal=signal.SIGTERM,
    )


def announce(settings: Settings, host: Host, *, port: int, with_worker: bool) -> None:
    """Say where it listens, where the data is, and who answers."""
    shown = f"[{settings.host}]" if ":" in settings.host else settings.host
    embedded = ", ".join(sorted(host.engines.addresses.engines())) or "none"
    lines = [
        f"Reading Room listens on http://{shown}:{port}  (interface: /docs, page: /)",
        f"  data      {settings.data_dir.absolute()}  (embedded: {embedded})",
        f"  answers   {settings.answers_by}",
        f"  ingestion {'in a worker process' if with_worker else 'by other workers (--no-worker)'}",
        "Ctrl-C stops everything.",
    ]
    for line in lines:
        err.print(line, markup=False)
