"""From settings to working use cases: engines, schema, container.

Servers' children, workers and commands all begin here. Other hosts may too, or assemble the use cases on ports of
their own.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from attrs import field, frozen

from adapters.embedded.engines import EmbeddedEngines
from adapters.postgres import migrations
from application.errors import EmbedderUnavailable, VectorsUnavailable
from application.use_cases import UseCases
from domain.generations import Recipe
from entrypoints.container import Container, close, make_container
from entrypoints.engines import Stance, filled, open_engines
from entrypoints.indexes import wanted_recipe
from entrypoints.settings import Settings


@frozen(kw_only=True)
class Host:
    """A running installation as one process sees it."""

    settings: Settings = field(repr=False)  # with the addresses of embedded engines filled in
    engines: EmbeddedEngines
    container: Container
    wanted: Recipe | EmbedderUnavailable  # the index that the settings ask for, or why it cannot be told

    @property
    def use_cases(self) -> UseCases:
        """Everything the application can do."""
        made: UseCases = self.container.use_cases()
        return made


@asynccontextmanager
async def open_host(settings: Settings, *, role: str, stance: Stance = Stance.GUEST) -> AsyncIterator[Host]:
    """An installation while the context lasts.

    An embedded database is brought to this version's schema, except by a guest of somebody else's server; there, and
    in a foreign database, it must be the one. An embedding model that is not there keeps only the first start from
    going on: later the index that is there keeps its model. Raises `SettingsError`, the embedded engines' errors,
    `SchemaOutdated`, and `Unavailable` errors.
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
        container = make_container(settings)
        try:
            wanted = await _prepare(container.use_cases(), settings)
            yield Host(settings=settings, engines=engines, container=container, wanted=wanted)
        finally:
            await close(container)


async def _prepare(use_cases: UseCases, settings: Settings) -> Recipe | EmbedderUnavailable:
    """See that there is an index to ask."""
    wanted: Recipe | EmbedderUnavailable
    try:
        wanted = await wanted_recipe(settings)
    except EmbedderUnavailable as error:
        wanted = error
    try:
        index = await use_cases.generations.live_now()
    except VectorsUnavailable:
        if isinstance(wanted, EmbedderUnavailable):
            raise wanted from None
        await use_cases.want_index(wanted, only_first=True)
        index = await use_cases.generations.live_now()
    await index.vectors.prepare()
    return wanted
