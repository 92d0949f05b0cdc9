"""How to run the servers that we wrote ourselves: the vector index and the embedding model."""

import asyncio
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from attrs import field, frozen

from adapters.embedded import sockets
from adapters.embedded.errors import EngineFailed, hint_for
from adapters.embedded.supervisor import ChildSpec

KEY_VARIABLE = "READINGROOM_ENGINE_KEY"
_LAYER = (__package__ or "").rpartition(".")[0]  # whatever the adapters are called where this is installed


@frozen(kw_only=True)
class PreparedServer:
    """A server that is ready to start, with the key that it will ask for."""

    spec: ChildSpec
    url: str
    key: str = field(repr=False)


def qdrant(
    directory: Path, *, log: Path, key: str, start_timeout: float = 60.0, command: tuple[str, ...] = ()
) -> PreparedServer:
    """The vector index over `directory`; `command` runs another server that takes the same arguments."""
    command = command or _module("qdrant", "embedded", "qdrant_server")
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise EngineFailed("qdrant", str(error), hint_for(error)) from error
    return _prepare("qdrant", (*command, "--path", str(directory)), "/readyz", log=log, key=key, timeout=start_timeout)


def embedding(
    *,
    model: str,
    log: Path,
    key: str,
    dtype: str = "auto",
    start_timeout: float = 180.0,
    command: tuple[str, ...] = (),
) -> PreparedServer:
    """The embedding model `model` (a name or a folder); it counts as ready when it listens, loaded or not."""
    command = command or _module("embedding", "embedding", "server")
    options = ("--model", model, "--dtype", dtype)
    return _prepare("embedding", (*command, *options), None, log=log, key=key, timeout=start_timeout)


def _module(engine: str, *path: str) -> tuple[str, ...]:
    name = ".".join((_LAYER, *path))
    spec = find_spec(name)
    if spec is None:
        raise EngineFailed(engine, f"the module {name} is not installed", "reinstall the program")
    return (sys.executable, "-m", spec.name)


def _prepare(
    name: str, command: tuple[str, ...], ready_path: str | None, *, log: Path, key: str, timeout: float
) -> PreparedServer:
    port = sockets.free_port()
    spec = ChildSpec(
        name=name,
        argv=(*command, "--host", sockets.LOOPBACK, "--port", str(port)),
        env={KEY_VARIABLE: key, "PYTHONUNBUFFERED": "1"},
        log=log,
        ready=lambda: _answers(port, ready_path, key),
        start_timeout=timeout,
    )
    return PreparedServer(spec=spec, url=f"http://{sockets.LOOPBACK}:{port}", key=key)


async def _answers(port: int, path: str | None, key: str) -> bool:
    """Whether it listens and, where a path is given, answers it with 200."""
    try:
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection(sockets.LOOPBACK, port)
            try:
                if path is None:
                    return True
                head = f"GET {path} HTTP/1.1\r\nHost: {sockets.LOOPBACK}\r\napi-key: {key}\r\nConnection: close\r\n\r\n"
                writer.write(head.encode())
                status = await reader.readline()
            finally:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()
    except (OSError, TimeoutError):
        return False
    return status.split()[1:2] == [b"200"]
