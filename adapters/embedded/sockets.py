"""Where engines listen."""

import os
import random
import socket
from pathlib import Path
from urllib.parse import quote

from attrs import field, frozen

LOOPBACK = "127.0.0.1"
_PATH_LIMIT = 104 if os.uname().sysname == "Darwin" else 108  # sun_path, its closing zero included
_PORTS = range(20_000, 32_000)  # below the ports that systems hand out for outgoing connections


@frozen(kw_only=True)
class Listen:
    """A unix socket in a directory of its own, or a loopback port."""

    directory: Path | None = None
    port: int = field(default=0)


def choose(directory: Path, file_name: str, *, port: int) -> Listen:
    """A unix socket ``directory/file_name`` where its path is short enough for the system, else a free port.

    `port` is what a unix socket counts as (Postgres puts it into the file name).
    """
    if len(os.fsencode(directory / file_name)) < _PATH_LIMIT:
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o700)
        return Listen(directory=directory, port=port)
    return Listen(port=free_port())


def free_port() -> int:
    """A loopback port that nobody listens on now, from a range where no outgoing connection takes it meanwhile."""
    for port in random.sample(_PORTS, 100):
        if _is_free(port):
            return port
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def escape(path: Path) -> str:
    """A path as part of a URL."""
    return quote(str(path), safe="/")
