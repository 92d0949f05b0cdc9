"""From settings to working use cases: engines, schema, container.

Servers' children, workers and commands all begin here. Other hosts may too, or assemble the use cases on ports of
their own.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from attrs import field, frozen

from adapters.embedded.engines import EmbeddedEngines
from adapters.embedding.client import HttpEmbedder
from adapters.embedding.folder import DEFAULT_MODEL, find_model
from adapters.postgres import migrations
from application.use_cases import UseCases
from entrypoints.container import Container, EmbeddingModel, close, make_container
from entrypoints.engines import Stance, filled, open_engines
from entrypoints.settings import Settings


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


@asynccontextmanager
async def open_host(settings: Settings, *, role: str, stance: Stance = Stance.GUEST) -> AsyncIterator[Host]:
    """An installation while the context lasts.

    An embedded database is brought to this version's schema, except by a guest of somebody else's server; there, and
    in a foreign database, it must be the one. Raises `SettingsError`, the embedded engines' errors, `SchemaOutdated`,
    and `Unavailable` errors.
    """
    async with open_engines(settings, role=role, stance=stance) as engines:
        is_ours = settings.postgres_is_embedded and not (stance is Stance.GUEST and engines.attached)
        settings = filled(settings, engines)
        if settings.database_url is None:
            raise LookupError("Postgres has no address")
        if is_ours:
            await migrations.upgrade(settings.database_url)
        else:
            (await migrations.check(settings.database_url)).require_current()
        embedding = await embedding_model(settings)
        container = make_container(settings, embedding)
        try:
            await container.ports().vectors.prepare()
            yield Host(settings=settings, engines=engines, container=container, embedding=embedding)
        finally:
            await close(container)


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
