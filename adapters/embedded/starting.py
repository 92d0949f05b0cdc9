"""Starting the engines of a data directory, all at once."""

import asyncio
from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from attrs import evolve, frozen

from adapters.embedded import http_servers, postgres, valkey
from adapters.embedded.addresses import Engine, EngineAddresses
from adapters.embedded.errors import EngineFailed
from adapters.embedded.layout import Layout
from adapters.embedded.secret import EngineSecret
from adapters.embedded.supervisor import Supervisor


@frozen(kw_only=True)
class EngineOptions:
    """What may differ between installations. A command replaces one of our own servers by another program."""

    embedding_model: str = ""  # a name or a folder; "": the one that the program brings
    embedding_dtype: str = "auto"
    graph_from: int | None = None  # passages from which the index builds a graph; None: as the server has it
    reranker_model: str = ""  # a name or a folder of a cross-encoder; "": none
    attach_timeout: float = 60.0  # seconds to wait for an owner that is still starting or stopping
    qdrant_command: tuple[str, ...] = ()
    embedding_command: tuple[str, ...] = ()


async def start_engines(
    layout: Layout, need: AbstractSet[Engine], options: EngineOptions, supervisor: Supervisor
) -> EngineAddresses:
    """Run what is needed; returns when all but the embedding engine answer. Raises the first `EngineFailed`."""
    starter = _Starter(
        layout=layout, options=options, supervisor=supervisor, secret=EngineSecret.load_or_create(layout.secret)
    )
    starts = {
        Engine.POSTGRES: starter.postgres,
        Engine.VALKEY: starter.valkey,
        Engine.QDRANT: starter.qdrant,
    }
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(starts[engine]()) for engine in Engine if engine in need - {Engine.EMBEDDING}]
    except ExceptionGroup as failures:
        raise _first(failures) from failures
    found = [task.result() for task in tasks]
    if Engine.EMBEDDING in need:
        # Nobody waits for its model, so it does not take the processor from those that are waited for.
        found.append(await starter.embedding())
    return _merged(found)


def _first(failures: ExceptionGroup[Exception]) -> Exception:
    """Tasks are cancelled after the first one failed, so others in the group add nothing."""
    return next((error for error in failures.exceptions if isinstance(error, EngineFailed)), failures.exceptions[0])


def _merged(parts: Iterable[dict[str, str]]) -> EngineAddresses:
    merged = EngineAddresses()
    for part in parts:
        merged = evolve(merged, **part)
    return merged


@frozen(kw_only=True)
class _Starter:
    """Each method starts one engine and returns its fields of `EngineAddresses`."""

    layout: Layout
    options: EngineOptions
    supervisor: Supervisor
    secret: EngineSecret

    async def postgres(self) -> dict[str, str]:
        engine = Engine.POSTGRES
        places = postgres.PostgresFiles(
            cluster=self.layout.data(engine), sockets=self.layout.sockets(engine), log=self.layout.log(engine)
        )
        prepared = await postgres.prepare(places, password=self.secret.password(engine))
        await self.supervisor.start(prepared.spec)
        return {"database_url": prepared.url}

    async def valkey(self) -> dict[str, str]:
        engine = Engine.VALKEY
        prepared = valkey.prepare(
            self.layout.data(engine),
            socket_directory=self.layout.sockets(engine),
            log=self.layout.log(engine),
            password=self.secret.password(engine),
        )
        await self.supervisor.start(prepared.spec)
        return {"redis_url": prepared.url}

    async def qdrant(self) -> dict[str, str]:
        engine = Engine.QDRANT
        prepared = http_servers.qdrant(
            self.layout.data(engine),
            log=self.layout.log(engine),
            key=self.secret.password(engine),
            graph_from=self.options.graph_from,
            command=self.options.qdrant_command,
        )
        await self.supervisor.start(prepared.spec)
        return {"qdrant_url": prepared.url, "qdrant_api_key": prepared.key}

    async def embedding(self) -> dict[str, str]:
        engine = Engine.EMBEDDING
        prepared = http_servers.embedding(
            model=self.options.embedding_model,
            dtype=self.options.embedding_dtype,
            reranker=self.options.reranker_model,
            log=self.layout.log(engine),
            key=self.secret.password(engine),
            command=self.options.embedding_command,
        )
        await self.supervisor.start(prepared.spec, wait=False)
        return {"embedding_url": prepared.url, "embedding_api_key": prepared.key}
