"""How to run the servers that we wrote ourselves: the vector index and the embedding model."""

import asyncio
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

from attrs import field, frozen

from adapters.embedded import sockets
from adapters.embedded.errors import EngineFailed, hint_for
from adapters.embedded.supervisor import ChildSpec

KEY_VARIABLE = "READINGROOM_ENGINE_KEY"
# Memory of the model in large pages: a pass reads all of its weights, and a tenth of it was looking up where they are.
# The C library of Linux alone knows the name, others pass it over; who set something there is left alone.
_LARGE_PAGES = {} if "GLIBC_TUNABLES" in os.environ else {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
_LAYER = (__package__ or "").rpartition(".")[0]  # whatever the adapters are called where this is installed


@frozen(kw_only=True)
class PreparedServer:
    """A server that is ready to start, with the key that it will ask for."""

    spec: ChildSpec
    url: str
    key: str = field(repr=False)


def qdrant(
    directory: Path, *, log: Path, key: str, graph_from: int | None = None, command: tuple[str, ...] = ()
) -> PreparedServer:
    """The vector index over `directory`; `command` runs another server that takes the same arguments.

    `graph_from`: points from which a collection gets a graph; None leaves it to the server.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise EngineFailed("qdrant", str(error), hint_for(error)) from error
    return _prepare(
        "qdrant",
        command or _module("qdrant", "embedded", "qdrant_server"),
        ("--path", str(directory), *(() if graph_from is None else ("--graph-from", str(graph_from)))),
        ready_path="/readyz",
        log=log,
        key=key,
    )


def embedding(
    *, log: Path, key: str, model: str = "", dtype: str = "auto", reranker: str = "", command: tuple[str, ...] = ()
) -> PreparedServer:
    """The embedding model `model` (a name or a folder; "" is the server's own), and a reranker where one is named.

    Listening counts as ready.
    """
    return _prepare(
        "embedding",
        command or _module("embedding", "embedding", "server"),
        (
            *(("--model", model) if model else ()),
            *(("--reranker", reranker) if reranker else ()),
            *("--dtype", dtype, "--any"),
        ),
        ready_path=None,
        log=log,
        key=key,
        env=_LARGE_PAGES,
    )


def _module(engine: str, *path: str) -> tuple[str, ...]:
    """Runs one of our modules. Whatever lies in the working directory is not taken for a library (-P)."""
    name = ".".join((_LAYER, *path))
    if find_spec(name) is None:
        raise EngineFailed(engine, f"the module {name} is not installed", "reinstall the program")
    return (sys.executable, "-P", "-m", name)


def _python_path() -> str:
    """Lets a child find us where we were found: a checkout is on nobody's path."""
    ours = Path(__file__).resolve().parents[__name__.count(".")]
    return os.pathsep.join(filter(None, (str(ours), os.environ.get("PYTHONPATH"))))


def _prepare(
    name: str,
    command: tuple[str, ...],
    options: tuple[str, ...],
    *,
    ready_path: str | None,
    log: Path,
    key: str,
    env: Mapping[str, str] = MappingProxyType({}),
) -> PreparedServer:
    port = sockets.free_port()
    spec = ChildSpec(
        name=name,
        argv=(*command, *options, "--host", sockets.LOOPBACK, "--port", str(port)),
        env={KEY_VARIABLE: key, "PYTHONUNBUFFERED": "1", "PYTHONPATH": _python_path(), **env},
        log=log,
        ready=lambda: _answers(port, ready_path, key),
        start_timeout=180.0,
        start_attempts=3,
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
