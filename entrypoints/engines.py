"""Which engines an installation embeds, how they are opened, and what their addresses make of the settings.

Imports little: the parent of a server starts in a moment, while its children still load their libraries.
"""

import json
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from enum import Enum
from typing import Any

import structlog
from pydantic import SecretStr

from adapters.embedded.addresses import Engine, EngineAddresses
from adapters.embedded.engines import EmbeddedEngines
from adapters.embedded.layout import Layout
from adapters.embedded.starting import EngineOptions
from adapters.embedding.folder import DEFAULT_MODEL, find_model
from application.errors import EmbedderUnavailable
from entrypoints.settings import Settings, SettingsError, variable_of

_log = structlog.get_logger(__name__)


class Stance(Enum):
    """How a process stands to the embedded engines of its data directory."""

    OWNER = "it runs them, or does not start"
    GUEST = "it uses those of a server, or runs them while it lasts"
    CHILD = "it waits for those of its parent"


def embedded_engines(settings: Settings) -> frozenset[Engine]:
    """Those that no URL replaces."""
    urls = {
        Engine.POSTGRES: settings.database_url,
        Engine.VALKEY: settings.redis_url,
        Engine.QDRANT: settings.qdrant_url,
        Engine.EMBEDDING: settings.embedding_url,
    }
    return frozenset(engine for engine, url in urls.items() if url is None)


@asynccontextmanager
async def open_engines(
    settings: Settings,
    *,
    role: str,
    stance: Stance,
    owned: Callable[[], Awaitable[None]] | None = None,
) -> AsyncIterator[EmbeddedEngines]:
    """The embedded engines while the context lasts; with every engine replaced by a URL, none.

    `owned` is awaited before engines start, once it is certain that nobody else runs them; see `EmbeddedEngines`.
    """
    needed = embedded_engines(settings)
    if not needed:
        if owned is not None:
            await owned()
        yield EmbeddedEngines(EngineAddresses(), supervisor=None)
        return
    options = EngineOptions(
        embedding_model=settings.embedding_model or DEFAULT_MODEL,
        embedding_dtype=settings.embedding_dtype,
        graph_from=settings.qdrant_graph_from,
        reranker_model=settings.reranker_model or "",
    )
    if Engine.EMBEDDING in needed and _is_first_start(settings):
        find_model(options.embedding_model)  # a missing folder is said before anything is started
        if options.reranker_model:
            find_model(options.reranker_model)
    async with EmbeddedEngines.open(
        settings.data_dir,
        need=needed,
        role=role,
        attach=stance is not Stance.OWNER,
        may_own=stance is not Stance.CHILD,
        options=options,
        owned=owned,
    ) as engines:
        yield engines


def filled(settings: Settings, engines: EmbeddedEngines) -> Settings:
    """The settings with a secret key and the addresses of what is embedded."""
    found = engines.addresses
    changes: dict[str, Any] = {
        "database_url": settings.database_url or found.database_url,
        "redis_url": settings.redis_url or found.redis_url,
        "qdrant_url": settings.qdrant_url or found.qdrant_url,
        "embedding_url": settings.embedding_url or found.embedding_url,
        "registration": settings.registration_mode,  # decided while it is still known what is embedded
        "secret_key": settings.secret_key or _kept_secret_key(settings),
    }
    if settings.qdrant_url is None:
        changes["qdrant_api_key"] = _secret(found.qdrant_api_key)
    if settings.embedding_url is None:
        model = settings.embedding_model or DEFAULT_MODEL
        changes |= {
            "embedding_api_key": _secret(found.embedding_api_key),
            "embedding_model": model,
            "embedding_dimensions": _dimensions(model),
        }
    return settings.model_copy(update=changes)


def _is_first_start(settings: Settings) -> bool:
    """Whether there can be no index yet that another model made."""
    return settings.postgres_is_embedded and not Layout(root=settings.data_dir).data(Engine.POSTGRES).exists()


def _dimensions(model: str) -> int | None:
    """None for a model that is not there: the index that is there goes on with its own."""
    try:
        return find_model(model).dimensions
    except EmbedderUnavailable as error:
        _log.warning("embedding_model_unusable", reason=error.message)
        return None


def _secret(value: str | None) -> SecretStr | None:
    return None if value is None else SecretStr(value)


def _kept_secret_key(settings: Settings) -> SecretStr:
    """The key in the data directory, made where there is none; a foreign database wants one that is given."""
    if not settings.postgres_is_embedded:
        raise SettingsError(
            ["READINGROOM_SECRET_KEY: required with a DATABASE_URL; accepted: at least 32 random characters"]
        )
    path = settings.data_dir / "secret.key"
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    if not path.exists():
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(partial, path)  # the first of several processes wins, the others read what it made
        except FileExistsError:
            pass
        finally:
            partial.unlink()
    return SecretStr(path.read_text(encoding="ascii").strip())


def environment_of(settings: Settings) -> dict[str, str]:
    """The variables that give another process exactly these settings."""
    shown = settings.model_dump(mode="json")
    environment: dict[str, str] = {}
    for name, value in shown.items():
        actual = getattr(settings, name)
        if actual is None:
            continue
        if isinstance(actual, SecretStr):
            environment[variable_of(name)] = actual.get_secret_value()
        elif isinstance(value, list):
            environment[variable_of(name)] = ",".join(value)
        elif isinstance(value, dict):
            environment[variable_of(name)] = json.dumps(value)
        else:
            environment[variable_of(name)] = str(value)
    return environment
