"""The one place where adapters meet ports.

Every engine is reached through its URL, embedded or not: by the time a container is made, `entrypoints.host` has put
the addresses of embedded engines into the settings. What is opened here is closed by `close`, in reverse order.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any, Final

import structlog
from dependency_injector import containers, providers
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.breaker import BreakerModel
from adapters.embedding.rerank_client import HttpReranker
from adapters.extractive.model import ExtractiveModel
from adapters.files.local import LocalFiles
from adapters.limit_shares import ShareLimiter
from adapters.limits import ProcessLimiter
from adapters.parsing.detection import ContentTypes
from adapters.parsing.limits import Limits
from adapters.parsing.sandbox import SandboxedParser
from adapters.postgres.engine import make_engine
from adapters.postgres.readers import Readers
from adapters.postgres.unit_of_work import PostgresUnitOfWorkFactory
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
from application.generations import Generations
from application.ports.embedding import Embedder
from application.ports.files import FileStore
from application.ports.models import AnswerModel
from application.use_cases import Policy, Ports, UseCases
from domain.usage import Price
from entrypoints.indexes import OpenIndexes
from entrypoints.settings import Settings
from entrypoints.telemetry import MeasuredLog, Metrics

NEEDED: Final = frozenset({"postgres", "qdrant", "files"})  # without these no request can be served

Ping = Callable[[], Awaitable[None]]


def _engine(settings: Settings, closing: AsyncExitStack[bool | None]) -> AsyncEngine:
    engine = make_engine(_required(settings.database_url, "database_url"))
    closing.push_async_callback(engine.dispose)
    return engine


def _readers(settings: Settings, closing: AsyncExitStack[bool | None]) -> Readers:
    readers = Readers(_required(settings.database_url, "database_url"))
    closing.push_async_callback(readers.close)
    return readers


def _passwords(closing: AsyncExitStack[bool | None]) -> Argon2Passwords:
    passwords = Argon2Passwords()
    closing.callback(passwords.close)
    return passwords


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


def _limiter(client: RedisClient, closing: AsyncExitStack[bool | None]) -> ShareLimiter:
    limiter = ShareLimiter(RedisLimiter(client))
    closing.push_async_callback(limiter.aclose)
    return limiter


def _live(client: RedisClient, closing: AsyncExitStack[bool | None]) -> RedisBus:
    bus = RedisBus(client)
    closing.push_async_callback(bus.aclose)
    return bus


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


def _model(settings: Settings, generations: Generations, closing: AsyncExitStack[bool | None]) -> AnswerModel:
    if settings.anthropic_api_key is None:

        async def embedder() -> Embedder:
            return (await generations.live()).embedder

        return ExtractiveModel(embedder=embedder)
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


def _policy(settings: Settings) -> Policy:
    return Policy(
        access_ttl=settings.access_token_ttl,
        refresh_ttl=settings.refresh_token_ttl,
        registration=settings.registration_mode,
        max_upload_bytes=settings.max_upload_bytes,
        max_answer_tokens=settings.max_answer_tokens,
        answer_timeout=settings.answer_timeout,
        room_retention=settings.room_retention,
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


def _health(ports: Ports, use_cases: UseCases, cache: RedisCache) -> dict[str, Ping]:
    async def vectors() -> None:
        await (await use_cases.generations.live()).vectors.ping()

    async def embedder() -> None:
        await (await use_cases.generations.live()).embedder.ping()

    return {
        "postgres": ports.begin.ping,
        "qdrant": vectors,
        "redis": cache.ping,
        "files": ports.files.ping,
        "embedding": embedder,
        "model": ports.model.ping,
    }


def _required(value: str | None, name: str) -> str:
    if value is None:
        raise LookupError(f"the setting {name} was not filled in before the container was made")
    return value


class Container(containers.DeclarativeContainer):
    """A bill of materials; made with `settings`."""

    settings = providers.Dependency(instance_of=Settings)
    closing: providers.Provider[AsyncExitStack[bool | None]] = providers.Singleton(AsyncExitStack[bool | None])

    engine = providers.Singleton(_engine, settings, closing)
    begin = providers.Singleton(PostgresUnitOfWorkFactory, engine, providers.Singleton(_readers, settings, closing))
    redis = providers.Singleton(_redis, settings, closing)
    cache = providers.Singleton(RedisCache, redis)

    indexes = providers.Singleton(OpenIndexes, settings, cache, closing)
    generations = providers.Singleton(Generations, begin, indexes)

    metrics = providers.Singleton(Metrics)

    ports = providers.Singleton(
        Ports,
        begin=begin,
        cache=cache,
        files=providers.Singleton(_files, settings),
        media_types=providers.Singleton(ContentTypes),
        parser=providers.Singleton(_parser, settings, closing),
        languages=providers.Singleton(StopWordLanguages),
        indexes=indexes,
        reranker=providers.Singleton(_reranker, settings, closing),
        model=providers.Singleton(_model, settings, generations, closing),
        run_log=providers.Singleton(_run_log, redis, closing),
        news=providers.Singleton(_news, redis, closing),
        live=providers.Singleton(_live, redis, closing),
        presence=providers.Singleton(RedisPresence, redis),
        passwords=providers.Singleton(_passwords, closing),
        tokens=providers.Singleton(_tokens, settings),
        seal=providers.Singleton(_seal, settings),
        changes=providers.Singleton(_access_changes, redis, closing),
        tickets=providers.Singleton(RedisTickets, redis),
        clock=providers.Singleton(SystemClock),
        ids=providers.Singleton(Uuid7Ids),
        log=providers.Singleton(MeasuredLog, providers.Callable(structlog.get_logger, "application"), metrics),
    )
    use_cases = providers.Singleton(assemble, ports, providers.Callable(_policy, settings))

    limiter = providers.Singleton(_limiter, redis, closing)
    process_limiter = providers.Singleton(ProcessLimiter)

    health: providers.Provider[Mapping[str, Ping]] = providers.Singleton(_health, ports, use_cases, cache)
    needed_engines: providers.Provider[frozenset[str]] = providers.Object(NEEDED)


def make_container(settings: Settings) -> Container:
    """Nothing is connected before it is used."""
    return Container(settings=settings)


async def close(container: Any) -> None:
    """End what runs, then let go of every connection."""
    await container.use_cases().answer_runs.close()
    await container.closing().aclose()
