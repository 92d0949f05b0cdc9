"""Where engines listen."""

import os
import random
import re
import socket
from pathlib import Path

from attrs import frozen

LOOPBACK = "127.0.0.1"
_PATH_LIMIT = 104 if os.uname().sysname == "Darwin" else 108  # sun_path, its closing zero included
_PLAIN = re.compile(r"[A-Za-z0-9/._+-]+")  # nothing that a URL or a configuration file would read otherwise
_PORTS = range(20_000, 32_000)  # below the ports that systems hand out for outgoing connections


@frozen(kw_only=True)
class Listen:
    """A unix socket in a directory of its own, or a loopback port."""

    directory: Path | None = None
    port: int


def choose(directory: Path, file_name: str, *, port: int) -> Listen:
    """A unix socket ``directory/file_name`` where the system and every client take such a path, else a free port.

    `port` is what a unix socket counts as (Postgres puts it into the file name). The directory is ours alone and
    empty afterwards: what a killed engine left in it would be in the way.
    """
    path = directory / file_name
    if len(os.fsencode(path)) >= _PATH_LIMIT or not _PLAIN.fullmatch(str(path)):
        return Listen(port=free_port())
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    for entry in directory.iterdir():
        entry.unlink()
    return Listen(directory=directory, port=port)


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
