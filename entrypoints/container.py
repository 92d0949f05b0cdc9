"""The one place where adapters meet ports.

Every engine is reached through its URL, embedded or not: by the time a container is made, `entrypoints.host` has put
the addresses of embedded engines into the settings. What is opened here is closed by `close`, in reverse order.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any, Final

import structlog
from attrs import frozen
from dependency_injector import containers, providers
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.breaker import BreakerModel
from adapters.embedding.cached import CachedEmbedder
from adapters.embedding.client import HttpEmbedder
from adapters.embedding.folder import DEFAULT_MODEL
from adapters.embedding.rerank_client import HttpReranker
from adapters.embedding.tokens import from_model
from adapters.extractive.model import ExtractiveModel
from adapters.files.local import LocalFiles
from adapters.limits import ProcessLimiter
from adapters.parsing.detection import ContentTypes
from adapters.parsing.limits import Limits
from adapters.parsing.sandbox import SandboxedParser
from adapters.postgres.engine import make_engine
from adapters.postgres.unit_of_work import PostgresUnitOfWorkFactory
from adapters.qdrant.index import QdrantIndex
from adapters.qdrant.languages import StopWordLanguages
from adapters.redis.access_changes import RedisAccessChanges
from adapters.redis.cache import RedisCache
from adapters.redis.client import RedisClient, connect
from adapters.redis.limits import RedisLimiter
from adapters.redis.live import RedisBus
from adapters.redis.news import RedisNews
from adapters.redis.presence import RedisPresence
from adapters.redis.runs import RedisRuns
from adapters.redis.tickets import RedisTickets
from adapters.security.passwords import Argon2Passwords
from adapters.security.seal import AesSeal
from adapters.security.tokens import JwtTokens
from adapters.system import SystemClock, Uuid7Ids
from application.answer_limits import AnswerLimits
from application.assembly import assemble
from application.ports.files import FileStore
from application.ports.models import AnswerModel
from application.ports.parsing import TokenCounter
from application.use_cases import Policy, Ports
from domain.usage import Price
from entrypoints.settings import Settings
from entrypoints.telemetry import MeasuredLog, Metrics

NEEDED: Final = frozenset({"postgres", "qdrant", "files"})  # without these no request can be served

Ping = Callable[[], Awaitable[None]]


@frozen(kw_only=True)
class EmbeddingModel:
    """Which vectors the index holds."""

    name: str
    dimensions: int

    @property
    def collection(self) -> str:
        """The collection of this model's vectors: those of another model are never mixed in."""
        return "readingroom-" + "".join(c if c.isalnum() else "-" for c in self.name.lower())[:100]


def _engine(settings: Settings, closing: AsyncExitStack[bool | None]) -> AsyncEngine:
    engine = make_engine(_required(settings.database_url, "database_url"))
    closing.push_async_callback(engine.dispose)
    return engine


def _redis(settings: Settings, closing: AsyncExitStack[bool | None]) -> RedisClient:
    client = connect(_required(settings.redis_url, "redis_url"))
    closing.push_async_callback(client.aclose)
    return client


def _run_log(client: RedisClient, closing: AsyncExitStack[bool | None]) -> RedisRuns:
    log = RedisRuns(client)
    closing.push_async_callback(log.aclose)
    return log


def _news(client: RedisClient, closing: AsyncExitStack[bool | None]) -> RedisNews:
    news = RedisNews(client)
    closing.push_async_callback(news.aclose)
    return news


def _access_changes(client: RedisClient, closing: AsyncExitStack[bool | None]) -> RedisAccessChanges:
    changes = RedisAccessChanges(client)
    closing.push_async_callback(changes.aclose)
    return changes


def _live(client: RedisClient, closing: AsyncExitStack[bool | None]) -> RedisBus:
    bus = RedisBus(client)
    closing.push_async_callback(bus.aclose)
    return bus


def _vectors(settings: Settings, embedding: EmbeddingModel, closing: AsyncExitStack[bool | None]) -> QdrantIndex:
    index = QdrantIndex.connect(
        _required(settings.qdrant_url, "qdrant_url"),
        settings.qdrant_api_key.get_secret_value() if settings.qdrant_api_key else None,
        collection=embedding.collection,
        dimensions=embedding.dimensions,
    )
    closing.push_async_callback(index.close)
    return index


def _embedder(
    settings: Settings, embedding: EmbeddingModel, cache: RedisCache, closing: AsyncExitStack
) -> CachedEmbedder:
    client = HttpEmbedder(
        _required(settings.embedding_url, "embedding_url"),
        api_key=settings.embedding_api_key.get_secret_value() if settings.embedding_api_key else None,
        model=settings.embedding_model or embedding.name,
        name=embedding.name,
        dimensions=embedding.dimensions,
    )
    closing.push_async_callback(client.aclose)
    return CachedEmbedder(client, cache)


def _reranker(settings: Settings, closing: AsyncExitStack[bool | None]) -> HttpReranker | None:
    if settings.reranker_model is None:
        return None
    key = settings.embedding_api_key
    reranker = HttpReranker(
        _required(settings.embedding_url, "embedding_url"),
        model=settings.reranker_model,
        api_key=key.get_secret_value() if key else None,
    )
    closing.push_async_callback(reranker.aclose)
    return reranker


def _parser(settings: Settings, closing: AsyncExitStack[bool | None]) -> SandboxedParser:
    parser = SandboxedParser(
        limits=Limits(
            memory_bytes=settings.parse_memory,
            cpu_seconds=int(settings.parse_timeout.total_seconds()),
            wall_seconds=settings.parse_timeout.total_seconds(),
            max_pages=settings.max_pages,
        ),
        concurrency=settings.parser_processes,
    )
    closing.push_async_callback(parser.close)
    return parser


def _model(settings: Settings, closing: AsyncExitStack[bool | None]) -> AnswerModel:
    if settings.anthropic_api_key is None:
        return ExtractiveModel()
    from adapters.claude.model import CitationsMode, ClaudeModel  # its SDK is large, and needed only with a key

    model = ClaudeModel(
        api_key=settings.anthropic_api_key.get_secret_value(),
        base_url=settings.anthropic_base_url,
        model=settings.claude_model,
        citations=CitationsMode(settings.citations_mode.value),
    )
    closing.push_async_callback(model.close)
    return BreakerModel(model)


def _tokens(settings: Settings) -> JwtTokens:
    return JwtTokens(_secrets(settings))


def _secrets(settings: Settings) -> list[str]:
    secret = settings.secret_key
    return [_required(secret.get_secret_value() if secret else None, "secret_key"), *settings.earlier_secret_keys]


def _seal(settings: Settings) -> AesSeal:
    return AesSeal(_secrets(settings))


def _token_counter(settings: Settings) -> TokenCounter:
    return from_model(settings.embedding_model or DEFAULT_MODEL)


def _policy(settings: Settings) -> Policy:
    return Policy(
        access_ttl=settings.access_token_ttl,
        refresh_ttl=settings.refresh_token_ttl,
        registration=settings.registration_mode,
        max_upload_bytes=settings.max_upload_bytes,
        max_answer_tokens=settings.max_answer_tokens,
        answer_timeout=settings.answer_timeout,
        answer_limits=AnswerLimits(
            per_user=settings.answers_per_user,
            per_workspace=settings.answers_per_workspace,
            monthly_tokens_per_user=settings.monthly_tokens_per_user,
            monthly_tokens_per_workspace=settings.monthly_tokens_per_workspace,
        ),
        prices={
            name: Price(input=paid_in, output=paid_out, cache_read=0.1 * paid_in, cache_write=1.25 * paid_in)
            for name, (paid_in, paid_out) in settings.model_prices.items()
        },
    )


def _files(settings: Settings) -> FileStore:
    if settings.blob_root is not None:
        return LocalFiles(settings.blob_root)
    from adapters.files.s3 import S3Files  # its library is large, and needed only with a bucket

    return S3Files.connect(_required(settings.blob_url, "blob_url"))


def _health(ports: Ports, cache: RedisCache) -> dict[str, Ping]:
    return {
        "postgres": ports.begin.ping,
        "qdrant": ports.vectors.ping,
        "redis": cache.ping,
        "files": ports.files.ping,
        "embedding": ports.embedder.ping,
        "model": ports.model.ping,
    }


def _required(value: str | None, name: str) -> str:
    if value is None:
        raise LookupError(f"the setting {name} was not filled in before the container was made")
    return value


class Container(containers.DeclarativeContainer):
    """A bill of materials; made with `settings` and `embedding`."""

    settings = providers.Dependency(instance_of=Settings)
    embedding = providers.Dependency(instance_of=EmbeddingModel)
    closing: providers.Provider[AsyncExitStack[bool | None]] = providers.Singleton(AsyncExitStack[bool | None])

    engine = providers.Singleton(_engine, settings, closing)
    begin = providers.Singleton(PostgresUnitOfWorkFactory, engine)
    redis = providers.Singleton(_redis, settings, closing)
    cache = providers.Singleton(RedisCache, redis)

    embedder = providers.Singleton(_embedder, settings, embedding, cache, closing)
    metrics = providers.Singleton(Metrics)

    ports = providers.Singleton(
        Ports,
        begin=begin,
        files=providers.Singleton(_files, settings),
        media_types=providers.Singleton(ContentTypes),
        parser=providers.Singleton(_parser, settings, closing),
        tokens_of_text=providers.Singleton(_token_counter, settings),
        languages=providers.Singleton(StopWordLanguages),
        embedder=embedder,
        embeddings=embedder,
        reranker=providers.Singleton(_reranker, settings, closing),
        vectors=providers.Singleton(_vectors, settings, embedding, closing),
        model=providers.Singleton(_model, settings, closing),
        run_log=providers.Singleton(_run_log, redis, closing),
        news=providers.Singleton(_news, redis, closing),
        live=providers.Singleton(_live, redis, closing),
        presence=providers.Singleton(RedisPresence, redis),
        passwords=providers.Singleton(Argon2Passwords),
        tokens=providers.Singleton(_tokens, settings),
        seal=providers.Singleton(_seal, settings),
        changes=providers.Singleton(_access_changes, redis, closing),
        tickets=providers.Singleton(RedisTickets, redis),
        clock=providers.Singleton(SystemClock),
        ids=providers.Singleton(Uuid7Ids),
        log=providers.Singleton(MeasuredLog, providers.Callable(structlog.get_logger, "application"), metrics),
    )
    use_cases = providers.Singleton(assemble, ports, providers.Callable(_policy, settings))

    limiter = providers.Singleton(RedisLimiter, redis)
    process_limiter = providers.Singleton(ProcessLimiter)

    health: providers.Provider[Mapping[str, Ping]] = providers.Singleton(_health, ports, cache)
    needed_engines: providers.Provider[frozenset[str]] = providers.Object(NEEDED)


def make_container(settings: Settings, embedding: EmbeddingModel) -> Container:
    """Nothing is connected before it is used."""
    return Container(settings=settings, embedding=embedding)


async def close(container: Any) -> None:
    """End what runs, then let go of every connection."""
    await container.use_cases().answer_runs.close()
    await container.use_cases().ask_in_room.close()
    await container.closing().aclose()
