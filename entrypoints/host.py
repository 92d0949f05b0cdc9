"""From settings to working use cases: start or find the embedded engines, bring the schema up, make the container.

Servers, workers and commands all begin here. Other hosts may too, or assemble the use cases on ports of their own.
"""

import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import structlog
from attrs import field, frozen
from pydantic import SecretStr

from adapters.embedded.addresses import Engine, EngineAddresses
from adapters.embedded.engines import EmbeddedEngines
from adapters.embedded.starting import EngineOptions
from adapters.embedding.client import HttpEmbedder
from adapters.embedding.folder import DEFAULT_MODEL, find_model
from adapters.postgres import migrations
from application.use_cases import UseCases
from entrypoints.container import Container, EmbeddingModel, close, make_container
from entrypoints.settings import Settings, SettingsError, variable_of

_log = structlog.get_logger(__name__)


@frozen(kw_only=True)
class Host:
    """A running installation as one process sees it."""

    settings: Settings = field(repr=False)  # with the addresses of embedded engines filled in
    engines: EmbeddedEngines
    container: Container
    embedding: EmbeddingModel

    @property
    def use_cases(self) -> UseCases:
        """Everything the application can do."""
        made: UseCases = self.container.use_cases()
        return made


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
async def open_host(settings: Settings, *, role: str, attach: bool) -> AsyncIterator[Host]:
    """An installation while the context lasts.

    With `attach`, as short commands want it, a server's engines on the same data directory are used; without, this
    process must become their owner. An embedded database is brought to this version's schema; a foreign one must have
    it. Raises `SettingsError`, the embedded engines' errors, `SchemaOutdated`, and `Unavailable` errors.
    """
    needed = embedded_engines(settings)
    if not needed:
        settings = with_secret_key(settings)
        async with _opened(settings, EmbeddedEngines(EngineAddresses(), supervisor=None), owner=False) as host:
            yield host
        return
    options = EngineOptions(
        embedding_model=settings.embedding_model or DEFAULT_MODEL, embedding_dtype=settings.embedding_dtype
    )
    if Engine.EMBEDDING in needed:
        find_model(options.embedding_model)  # a missing folder is said before anything is started
    async with (
        EmbeddedEngines.open(settings.data_dir, need=needed, role=role, attach=attach, options=options) as engines,
        _opened(with_secret_key(settings), engines, owner=not engines.attached) as host,
    ):
        yield host


@asynccontextmanager
async def _opened(settings: Settings, engines: EmbeddedEngines, *, owner: bool) -> AsyncIterator[Host]:
    embedded_postgres = settings.postgres_is_embedded
    settings = _filled(settings, engines)
    if settings.database_url is None:
        raise LookupError("Postgres has no address")
    if embedded_postgres and owner:
        await migrations.upgrade(settings.database_url)
    else:
        (await migrations.check(settings.database_url)).require_current()
    embedding = await embedding_model(settings)
    container = make_container(settings, embedding)
    try:
        if owner:
            await container.ports().files.sweep()  # what uploads left that a crash cut off
        await container.ports().vectors.prepare()
        yield Host(settings=settings, engines=engines, container=container, embedding=embedding)
    finally:
        await close(container)


def _filled(settings: Settings, engines: EmbeddedEngines) -> Settings:
    """The settings with the addresses of what is embedded."""
    found = engines.addresses
    registration = settings.registration_mode  # decided while it is still known which engines are embedded
    changes: dict[str, Any] = {
        "database_url": settings.database_url or found.database_url,
        "redis_url": settings.redis_url or found.redis_url,
        "qdrant_url": settings.qdrant_url or found.qdrant_url,
        "embedding_url": settings.embedding_url or found.embedding_url,
        "registration": registration,
        "blob_url": settings.blob_url or settings.blob_root.absolute().as_uri(),
    }
    if settings.qdrant_url is None and found.qdrant_api_key:
        changes["qdrant_api_key"] = SecretStr(found.qdrant_api_key)
    if settings.embedding_url is None:
        model = find_model(settings.embedding_model or DEFAULT_MODEL)
        changes |= {
            "embedding_api_key": SecretStr(found.embedding_api_key) if found.embedding_api_key else None,
            "embedding_model": settings.embedding_model or DEFAULT_MODEL,
            "embedding_dimensions": model.dimensions,
        }
    return settings.model_copy(update=changes)


async def embedding_model(settings: Settings) -> EmbeddingModel:
    """Name and dimensions; a foreign server is asked for what no setting says."""
    asked_for = settings.embedding_model or DEFAULT_MODEL
    name = _model_name(asked_for)
    if settings.embedding_dimensions is not None:
        return EmbeddingModel(name=name, dimensions=settings.embedding_dimensions)
    if settings.embedding_url is None:
        raise LookupError("the embedding server has no address")
    key = settings.embedding_api_key
    client = HttpEmbedder(settings.embedding_url, model=asked_for, api_key=key.get_secret_value() if key else None)
    try:
        return EmbeddingModel(name=name, dimensions=await client.discover())
    finally:
        await client.aclose()


def _model_name(asked_for: str) -> str:
    """A folder's name carries a fingerprint of what lies in it."""
    return find_model(asked_for).name if Path(asked_for).is_dir() else asked_for


def with_secret_key(settings: Settings) -> Settings:
    """With the key that is given, or, where Postgres is embedded, one made once and kept in the data directory."""
    if settings.secret_key is not None:
        return settings
    if not settings.postgres_is_embedded:
        raise SettingsError(
            ["READINGROOM_SECRET_KEY: required with a DATABASE_URL; accepted: at least 32 random characters"]
        )
    path = settings.data_dir / "secret.key"
    if not path.exists():
        partial = path.with_name(f"{path.name}.{os.getpid()}")
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    return settings.model_copy(update={"secret_key": SecretStr(path.read_text(encoding="ascii").strip())})


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
        else:
            environment[variable_of(name)] = str(value)
    return environment
