"""Where the engines of a data directory answer, and the note of it that other processes find."""

import json
import os
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

import psutil
from attrs import asdict, field, frozen

from adapters.embedded.locks import read_owner

_FILE = "engines.json"


class Engine(StrEnum):
    """What can be embedded."""

    POSTGRES = "postgres"
    VALKEY = "valkey"
    QDRANT = "qdrant"
    EMBEDDING = "embedding"


@frozen(kw_only=True)
class EngineAddresses:
    """URLs for the engines' ordinary clients, with what is needed to be let in; None for engines that do not run."""

    database_url: str | None = field(default=None, repr=False)  # postgresql://, with password
    redis_url: str | None = field(default=None, repr=False)  # unix:// or redis://, with password
    qdrant_url: str | None = None
    qdrant_api_key: str | None = field(default=None, repr=False)
    embedding_url: str | None = None
    embedding_api_key: str | None = field(default=None, repr=False)

    def engines(self) -> frozenset[Engine]:
        """Those that run."""
        urls = {
            Engine.POSTGRES: self.database_url,
            Engine.VALKEY: self.redis_url,
            Engine.QDRANT: self.qdrant_url,
            Engine.EMBEDDING: self.embedding_url,
        }
        return frozenset(engine for engine, url in urls.items() if url is not None)


def publish(data_dir: Path, addresses: EngineAddresses) -> None:
    """Let other processes of the same user find them. Appears whole or not at all."""
    partial = data_dir / f"{_FILE}.partial"
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump({"pid": os.getpid(), **asdict(addresses)}, file)
    partial.replace(data_dir / _FILE)


def withdraw(data_dir: Path) -> None:
    """Let nobody find them any more; what a killed owner left goes too."""
    (data_dir / _FILE).unlink(missing_ok=True)


def find(data_dir: Path) -> EngineAddresses | None:
    """What the present owner, alive, has published; None while it has not. Only means something while it is locked."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        note = json.loads((data_dir / _FILE).read_text(encoding="utf-8"))
        pid = note.pop("pid")
        if pid == read_owner(data_dir)[0] and psutil.pid_exists(pid):
            return EngineAddresses(**note)
    return None
